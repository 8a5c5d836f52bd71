// SPDX-License-Identifier: Apache-2.0
// Split, scan, choose, score, find.
#include "device/cpu/two_stage_head.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/round_up.h"

namespace rotor {
namespace {

constexpr size_t kBlockRows = 16;
constexpr size_t kChunkBlocks = 16;  // row blocks that are scanned before their logits are bounded
constexpr size_t kChunkRows = kChunkBlocks * kBlockRows;
constexpr size_t kSpare = 16;        // tokens whose bounds are refined before the likeliest are chosen
constexpr size_t kUsualTokens = 512;  // of one row; lists that have to be longer grow

// In lanes that compilers make vectors of.
float largest(const float* x, size_t n) {
  constexpr size_t kLanes = 8;
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, x[0]);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
    }
  }
  for (; i < n; ++i) {
    lanes[0] = std::max(lanes[0], x[i]);
  }
  return *std::max_element(lanes, lanes + kLanes);
}

}  // namespace

Result<std::unique_ptr<TwoStageHead>> TwoStageHead::create(const FloatMatrix& head,
                                                           const HeadPlane& plane,
                                                           const KernelTable& kernels,
                                                           size_t max_batch, size_t threads) {
  std::unique_ptr<TwoStageHead> made(new TwoStageHead(head, plane, kernels));
  made->most_ = std::clamp<size_t>(head.rows / 16, 64, 4096);
  made->x_stride_ = plane.rest_cols + 64;
  made->dots_stride_ = kChunkRows + 16;
  ROTOR_ASSIGN(made->x_, Buffer::allocate(2 * max_batch * made->x_stride_));
  ROTOR_ASSIGN(made->dots_, Buffer::allocate(threads * 2 * max_batch * made->dots_stride_ * 4));
  ROTOR_ASSIGN(made->scratch_, Buffer::allocate(threads * made->head_rows_.scratch_bytes()));
  made->rows_.resize(max_batch);
  made->parts_.resize(threads * max_batch);
  made->errors_.resize(threads);
  made->work_.resize(threads);
  const size_t usual = std::min(made->most_, kUsualTokens) + kSpare;
  for (Row& row : made->rows_) {
    row.first.reserve(threads * usual);
    row.found.reserve(usual);
  }
  for (Part& part : made->parts_) {
    part.likeliest.reserve(usual);
    part.candidates.reserve();
    part.found.reserve(usual);
  }
  return made;
}

Status TwoStageHead::run(ThreadPool& pool, std::span<const TwoStageRow> rows) {
  const size_t threads = pool.size();
  pool.run([&](size_t thread) {
    const Slice blocks = slice_of(round_up(plane_.rows, kBlockRows) / kBlockRows, 1, thread, threads);
    const Slice tokens = {std::min(blocks.begin * kBlockRows, plane_.rows),
                          std::min(blocks.end * kBlockRows, plane_.rows)};
    const Slice mine = slice_of(rows.size(), 1, thread, threads);
    errors_[thread] = Status();
    work_[thread] = Work();
    for (size_t i = mine.begin; i < mine.end; ++i) {
      split(i, rows[i]);
    }
    pool.barrier();
    scan(thread, rows, blocks);
    pool.barrier();
    for (size_t i = mine.begin; i < mine.end; ++i) {
      choose_first(thread, i, rows[i], threads);
    }
    pool.barrier();
    score_first(thread, threads, rows);
    pool.barrier();
    find(thread, rows, tokens);
    pool.barrier();
    for (size_t i = mine.begin; i < mine.end; ++i) {
      collect(i, threads);
    }
  });
  counts_.rows += rows.size();
  for (size_t i = 0; i < rows.size(); ++i) {
    counts_.unanswered += rows_[i].answered ? 0 : 1;
  }
  for (size_t thread = 0; thread < threads; ++thread) {
    counts_.refined += work_[thread].refined;
    counts_.rescored += work_[thread].rescored;
    ROTOR_TRY(errors_[thread]);
  }
  return {};
}

bool TwoStageHead::can_answer(const TwoStageRow& row) const {
  const size_t count = row.query->draw ? 1 : row.query->count;
  return count >= 1 && count + row.query->also.size() <= most_;
}

void TwoStageHead::split(size_t i, const TwoStageRow& in) {
  Row& row = rows_[i];
  row.answered = false;
  if (!can_answer(in)) {
    return;
  }
  int8_t* a = x_.as<int8_t>().data() + 2 * i * x_stride_;
  if (const auto limbs = HeadLimbs::split(in.x, plane_.cols, a, a + x_stride_)) {
    row.limbs = *limbs;
    row.answered = true;
  }
}

// Bounds the logits of this thread's row blocks, and remembers those that may be asked for.
void TwoStageHead::scan(size_t thread, std::span<const TwoStageRow> rows, Slice blocks) {
  int32_t* dots = dots_.as<int32_t>().data() + thread * 2 * rows_.size() * dots_stride_;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (const TopQuery& query = *rows[i].query; !rows_[i].answered) {
      continue;
    } else if (query.draw) {
      part(thread, i).candidates.clear(*query.draw, most_);
    } else {
      part(thread, i).likeliest.clear(query.count + kSpare);
    }
  }
  for (size_t block = blocks.begin; block < blocks.end; block += kChunkBlocks) {
    CodeDotsArgs args{};
    args.codes = plane_.row_block(block);
    args.row_blocks = std::min(kChunkBlocks, blocks.end - block);
    args.cols = plane_.padded_cols;
    args.x = x_.as<int8_t>().data();
    args.x_stride = x_stride_;
    args.vectors = 2 * rows.size();
    args.out = dots;
    args.out_stride = dots_stride_;
    args.ahead = kernels_.codes_ahead;
    kernels_.code_dots(args);
    const size_t begin = block * kBlockRows;
    const size_t end = std::min(begin + args.row_blocks * kBlockRows, plane_.rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!rows_[i].answered) {
        continue;
      }
      const int32_t* high = dots + 2 * i * dots_stride_;
      const int32_t* low = high + dots_stride_;
      bound(i, rows[i], {begin, end}, high, low);
      if (rows[i].query->draw) {
        weigh(i, rows[i], {begin, end}, high, low, part(thread, i).candidates);
        continue;
      }
      for (size_t token = begin; token < end; ++token) {
        part(thread, i).likeliest.add(rows[i].upper[token], static_cast<TokenId>(token));
      }
    }
  }
}

// upper[token] = at least the logit. `high` and `low` hold the dots of the codes with a and b.
void TwoStageHead::bound(size_t i, const TwoStageRow& row, Slice tokens, const int32_t* high,
                         const int32_t* low) {
  const HeadLimbs limbs = rows_[i].limbs;
  const float* scale = plane_.scale.data() + tokens.begin;
  const float* error = plane_.coarse_error.data() + tokens.begin;
  const float* norm = plane_.norm.data() + tokens.begin;
  float* upper = row.upper + tokens.begin;
  const size_t n = tokens.end - tokens.begin;
  for (size_t t = 0; t < n; ++t) {
    upper[t] = limbs.coarse_logit(high[t], low[t], scale[t]) + limbs.margin(error[t], norm[t]);
  }
}

// Keeps those that the draw may fall on. The noise of most tokens is too small even for the largest
// bound here. The logits of the query's other tokens may change before the draw, so they rule nothing
// out, and they are computed anyway.
void TwoStageHead::weigh(size_t i, const TwoStageRow& row, Slice tokens, const int32_t* high,
                         const int32_t* low, DrawCandidates& candidates) {
  const int zeros =
      candidates.zeros_to_win(largest(row.upper + tokens.begin, tokens.end - tokens.begin));
  if (zeros > 64) {
    return;
  }
  const DrawKey key = row.query->draw->key;
  uint32_t found[kChunkRows];
  const size_t count = kernels_.large_noise({key.seed, key.sample, key.position,
                                             static_cast<uint32_t>(tokens.begin),
                                             static_cast<uint32_t>(tokens.end - tokens.begin), zeros,
                                             found});
  const HeadLimbs limbs = rows_[i].limbs;
  const std::vector<TokenId>& also = row.query->also;
  for (size_t f = 0; f < count; ++f) {
    const size_t t = found[f];
    const size_t token = tokens.begin + t;
    const TokenId id = static_cast<TokenId>(token);
    const uint64_t bits = gumbel_bits(key, id);
    const float upper = row.upper[token];
    if (!candidates.may_win(upper, bits) || std::binary_search(also.begin(), also.end(), id)) {
      continue;
    }
    const float lower = limbs.coarse_logit(high[t], low[t], plane_.scale[token]) -
                        limbs.margin(plane_.coarse_error[token], plane_.norm[token]);
    candidates.add(lower, upper, bits, id);
  }
}

// Closer bounds of a logit, from its upper one and the rests of the row.
TwoStageHead::Bounds TwoStageHead::refine(size_t thread, size_t i, const TwoStageRow& row,
                                          size_t token) {
  int32_t sums[2];
  kernels_.rest_dots({plane_.row_rests(token), plane_.rest_cols,
                      x_.as<int8_t>().data() + 2 * i * x_stride_, x_stride_, sums});
  ++work_[thread].refined;
  const HeadLimbs& limbs = rows_[i].limbs;
  const float error = plane_.error[token];
  const float coarse_error = plane_.coarse_error[token];
  const float norm = plane_.norm[token];
  const float coarse = row.upper[token] - limbs.margin(coarse_error, norm);
  const float logit = coarse + limbs.rest_logit(sums[0], sums[1], plane_.scale[token]);
  const float margin = limbs.rest_margin(error, coarse_error, norm);
  return {logit - margin, logit + margin};
}

// The tokens with the largest bounds of all threads; for a draw, the highest floor.
void TwoStageHead::choose_first(size_t thread, size_t i, const TwoStageRow& in, size_t threads) {
  Row& row = rows_[i];
  row.first.clear();
  row.found.clear();
  if (!row.answered) {
    return;
  }
  if (in.query->draw) {
    raise_floor(thread, i, in, threads);
    return;
  }
  for (size_t other = 0; other < threads; ++other) {
    const std::span<const TokenLogit> likeliest = part(other, i).likeliest.take();
    row.first.insert(row.first.end(), likeliest.begin(), likeliest.end());
  }
  const auto keep_likeliest = [&](size_t most) {
    const size_t count = std::min(most, row.first.size());
    std::nth_element(row.first.begin(), row.first.begin() + static_cast<ptrdiff_t>(count) - 1,
                     row.first.end(), more_likely);
    row.first.resize(count);
  };
  keep_likeliest(in.query->count + kSpare);
  for (TokenLogit& first : row.first) {
    first.logit = refine(thread, i, in, static_cast<size_t>(first.token)).upper;
  }
  keep_likeliest(in.query->count);
}

// The highest score that one of the candidates certainly reaches.
void TwoStageHead::raise_floor(size_t thread, size_t i, const TwoStageRow& in, size_t threads) {
  const TokenDraw& draw = *in.query->draw;
  double floor = -INFINITY;
  for (size_t other = 0; other < threads; ++other) {
    floor = std::max(floor, part(other, i).candidates.floor());
  }
  for (size_t other = 0; other < threads; ++other) {
    for (const DrawCandidates::Candidate& candidate : part(other, i).candidates.kept()) {
      if (candidate.score >= floor) {
        const float lower = refine(thread, i, in, static_cast<size_t>(candidate.token)).lower;
        const double noise = gumbel_from_bits(gumbel_bits(draw.key, candidate.token));
        floor = std::max(floor, draw_score(lower, draw.temperature, noise));
      }
    }
  }
  rows_[i].floor = floor;
}

// Their logits. The smallest of these is a logit that as many tokens as were asked for reach.
void TwoStageHead::score_first(size_t thread, size_t threads, std::span<const TwoStageRow> rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<TokenLogit>& first = rows_[i].first;
    const Slice mine = slice_of(first.size(), 1, thread, threads);
    for (size_t j = mine.begin; j < mine.end; ++j) {
      first[j].logit = logit(thread, i, rows[i], first[j].token);
    }
  }
}

// Computes every logit that is asked for or may be, and those of the query's other tokens.
void TwoStageHead::find(size_t thread, std::span<const TwoStageRow> rows, Slice tokens) {
  for (size_t i = 0; i < rows.size(); ++i) {
    part(thread, i).found.clear();
    part(thread, i).too_many = false;
    if (!rows_[i].answered) {
      continue;
    }
    if (rows[i].query->draw) {
      find_drawn(thread, i, rows[i], tokens);
    } else {
      find_likely(thread, i, rows[i], tokens);
    }
  }
}

void TwoStageHead::find_likely(size_t thread, size_t i, const TwoStageRow& row, Slice tokens) {
  float threshold = rows_[i].first.front().logit;
  for (const TokenLogit& scored : rows_[i].first) {
    threshold = std::min(threshold, scored.logit);
  }
  if (const float below = row.query->below; below > 0) {
    threshold = (threshold - below) - std::fabs(threshold) * 0x1p-22f;  // rounded down
  }
  const auto in_question = [&](size_t token) {
    return row.upper[token] >= threshold && refine(thread, i, row, token).upper >= threshold;
  };
  for (size_t token = tokens.begin; token < tokens.end && !part(thread, i).too_many; ++token) {
    if (in_question(token)) {
      keep(thread, i, row, static_cast<TokenId>(token));
    }
  }
  for (const TokenId id : row.query->also) {
    const size_t token = static_cast<size_t>(id);
    if (token >= tokens.begin && token < tokens.end && !in_question(token)) {
      keep(thread, i, row, id);
    }
  }
}

void TwoStageHead::find_drawn(size_t thread, size_t i, const TwoStageRow& row, Slice tokens) {
  Part& mine = part(thread, i);
  mine.candidates.raise_floor(rows_[i].floor);
  mine.too_many = mine.candidates.too_many();
  const TokenDraw& draw = *row.query->draw;
  for (const DrawCandidates::Candidate& candidate : mine.candidates.kept()) {
    if (mine.too_many) {
      break;
    }
    const float upper = refine(thread, i, row, static_cast<size_t>(candidate.token)).upper;
    const double noise = gumbel_from_bits(gumbel_bits(draw.key, candidate.token));
    if (draw_score(upper, draw.temperature, noise) >= rows_[i].floor) {
      keep(thread, i, row, candidate.token);
    }
  }
  for (const TokenId id : row.query->also) {
    const size_t token = static_cast<size_t>(id);
    if (token >= tokens.begin && token < tokens.end) {
      keep(thread, i, row, id);
    }
  }
}

// Computes a logit, unless the row has too many of them.
void TwoStageHead::keep(size_t thread, size_t i, const TwoStageRow& row, TokenId token) {
  Part& mine = part(thread, i);
  if (mine.found.size() == most_) {
    mine.too_many = true;
  } else {
    mine.found.push_back({logit(thread, i, row, token), token});
  }
}

// Puts the threads' tokens together.
void TwoStageHead::collect(size_t i, size_t threads) {
  Row& row = rows_[i];
  for (size_t thread = 0; thread < threads && row.answered; ++thread) {
    const Part& from = part(thread, i);
    row.answered = !from.too_many && row.found.size() + from.found.size() <= most_;
    if (row.answered) {
      row.found.insert(row.found.end(), from.found.begin(), from.found.end());
    }
  }
  std::sort(row.found.begin(), row.found.end(),
            [](const TokenLogit& a, const TokenLogit& b) { return a.token < b.token; });
  const auto same = [](const TokenLogit& a, const TokenLogit& b) { return a.token == b.token; };
  row.found.erase(std::unique(row.found.begin(), row.found.end(), same), row.found.end());
}

// The logit as the full head computes it. Beyond its bounds, the row is not the one that was loaded.
float TwoStageHead::logit(size_t thread, size_t i, const TwoStageRow& row, TokenId token) {
  float result = 0;
  DotRowsArgs args{};
  args.x = row.x;
  args.x_stride = plane_.cols;
  args.batch = 1;
  args.out = &result;
  args.out_stride = 1;
  const size_t at = static_cast<size_t>(token);
  std::byte* scratch = scratch_.data() + thread * head_rows_.scratch_bytes();
  Status status = head_rows_.dot(at, at + 1, args, scratch);
  const Bounds bounds = refine(thread, i, row, at);
  if (status.ok() && !(result <= bounds.upper && result >= bounds.lower)) {
    status = Status(Code::kVerificationFailed,
                    "row " + std::to_string(at) + " of the head is not the one that was loaded; " +
                        "was the model file changed?");
  }
  if (!status.ok() && errors_[thread].ok()) {
    errors_[thread] = std::move(status);
  }
  ++work_[thread].rescored;
  return result;
}

}  // namespace rotor
