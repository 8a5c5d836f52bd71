// SPDX-License-Identifier: Apache-2.0
// docs/numerics.md as a GPU would do it: 16 work-items are the 16 lanes, a work-group of 16 x 8 takes
// 8 blocks at a time. Written from the page, not from the CPU kernels.
#pragma OPENCL FP_CONTRACT OFF

#define LANES 16
#define BLOCKS 8
#define BLOCK 256
#define PAGE 256

float exp_nonpositive(float x) {
  const float t = x * 0x1.715476p+0f + 12583039.0f;
  const float n = t - 12583039.0f;
  const float r = (x - n * 0x1.63p-1f) - n * -0x1.bd0106p-13f;
  float q = 0x1.6ac6e2p-10f;
  q = q * r + 0x1.123de2p-7f;
  q = q * r + 0x1.555858p-5f;
  q = q * r + 0x1.55548cp-3f;
  q = q * r + 0x1.fffffcp-2f;
  q = (q * r) * r;
  const float p = (q + r) + 1.0f;
  const float result = p * as_float(as_uint(t) << 23);
  return x < -87.0f ? 0.0f : result;
}

// Folds scratch[0 .. 15]; called by all items of the group.
float fold(local float* scratch, int item) {
  for (int half_width = LANES / 2; half_width > 0; half_width /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < half_width) {
      scratch[item] += scratch[item + half_width];
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  return scratch[0];
}

// One group of LANES x BLOCKS items computes one DOT.
kernel void dot_product(global const float* a, global const float* b, int n,
                        global float* result) {
  local float lanes[LANES * BLOCKS];
  const int item = get_local_id(0);
  const int lane = item % LANES;
  float total = 0.0f;
  for (int first = 0; first < n; first += BLOCK * BLOCKS) {
    const int block = first + item / LANES * BLOCK;
    float sum = 0.0f;
    for (int i = block + lane; i < min(n, block + BLOCK); i += LANES) {
      sum += a[i] * b[i];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    lanes[item] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < LANES) {  // the blocks in order
      for (int k = 0; k < BLOCKS; ++k) {
        total += lanes[k * LANES + item];
      }
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (item < LANES) {
    lanes[item] = total;
  }
  const float sum = fold(lanes, item);
  if (item == 0) {
    *result = sum;
  }
}

kernel void exponential(global const float* x, global float* result) {
  const int i = get_global_id(0);
  result[i] = exp_nonpositive(x[i]);
}

float element(global const void* array, int is_half, int i) {
  return is_half ? vload_half(i, (global const half*)array) : ((global const float*)array)[i];
}

float rounded(float p, int is_half) {
  if (!is_half) {
    return p;
  }
  ushort pattern;
  vstore_half_rte(p, 0, (private half*)&pattern);
  return vload_half(0, (private half*)&pattern);
}

// One group of PAGE items, one for each position, computes one page for one query. result: m, l, o.
kernel void page_attention(global const void* keys, global const void* values, int is_half,
                           global const float* q, int dim, int begin, int end, float scale,
                           global float* result) {
  local float p[PAGE];
  local uint magnitude;
  local float lanes[LANES];
  const int j = get_local_id(0);
  const int visible = j >= begin && j < end;
  if (j == 0) {
    magnitude = 0;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  // Each item folds its own DOT: the order is that of the lanes, not of the items.
  float score = 0.0f;
  if (visible) {
    float total[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
      total[lane] = 0.0f;
      for (int block = 0; block < dim; block += BLOCK) {
        float sum = 0.0f;
        for (int d = block + lane; d < min(dim, block + BLOCK); d += LANES) {
          sum += q[d] * element(keys, is_half, j * dim + d);
        }
        total[lane] += sum;
      }
    }
    for (int half_width = LANES / 2; half_width > 0; half_width /= 2) {
      for (int lane = 0; lane < half_width; ++lane) {
        total[lane] += total[lane + half_width];
      }
    }
    score = total[0] * scale;
    atomic_max(&magnitude, as_uint(score) & 0x7fffffffu);
  }
  p[j] = score;
  barrier(CLK_LOCAL_MEM_FENCE);
  float m = p[begin];
  for (int k = begin; k < end; ++k) {
    m = m < p[k] ? p[k] : m;
  }
  m = magnitude < 0x7f800000u ? m + 0.0f : NAN;
  barrier(CLK_LOCAL_MEM_FENCE);
  p[j] = visible ? rounded(exp_nonpositive(score - m), is_half) : 0.0f;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (j < LANES) {
    float sum = 0.0f;
    for (int k = j; k < PAGE; k += LANES) {
      sum += p[k];
    }
    lanes[j] = sum;
  }
  const float l = fold(lanes, j);
  if (j == 0) {
    result[0] = m;
    result[1] = l;
  }
  for (int d = j; d < dim; d += PAGE) {
    float o = 0.0f;
    for (int k = begin; k < end; ++k) {
      o += p[k] * element(values, is_half, k * dim + d);
    }
    result[2 + d] = o;
  }
}

// One item for each dimension; a and b: m, l, o.
kernel void merge_pages(global const float* a, global const float* b, global float* result) {
  const int d = get_global_id(0);
  const float m = a[0] < b[0] ? b[0] : a[0];
  const float scale_a = exp_nonpositive(a[0] - m);
  const float scale_b = exp_nonpositive(b[0] - m);
  if (d == 0) {
    result[0] = m;
    result[1] = a[1] * scale_a + b[1] * scale_b;
  }
  result[2 + d] = a[2 + d] * scale_a + b[2 + d] * scale_b;
}

// One group; `squares` is DOT(x, x). result: y, scale, q.
kernel void norm_quantize(global const float* x, global const float* weight, int n, float squares,
                          float eps, global float* result) {
  local uint magnitude;
  const int item = get_local_id(0);
  const int items = get_local_size(0);
  if (item == 0) {
    magnitude = 0;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  const float r = 1.0f / sqrt(squares / (float)n + eps) + (squares - squares);
  uint largest = 0;
  for (int i = item; i < n; i += items) {
    const float y = weight[i] * (x[i] * r);
    result[i] = y;
    largest = max(largest, as_uint(y) & 0x7fffffffu);
  }
  atomic_max(&magnitude, largest);
  barrier(CLK_LOCAL_MEM_FENCE);
  const float a = as_float(magnitude);
  const float scale = 127.0f / (a < 1e-5f ? 1e-5f : a);
  if (item == 0) {
    result[n] = scale;
  }
  for (int i = item; i < n; i += items) {
    result[n + 1 + i] = (float)clamp(convert_int_rte(result[i] * scale), -128, 127);
  }
}
