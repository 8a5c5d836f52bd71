// SPDX-License-Identifier: Apache-2.0
/* The C interface of librotor: open a model, turn text into tokens and back, generate, read logits, with
 * adapters or without.
 *
 * Errors. Functions that can fail return a rotor_code; ROTOR_OK is 0. rotor_last_error() then says what
 * failed, where, what was expected and what was found. Nothing is printed, and nothing ends the process.
 *
 * Memory. What is returned as `const` belongs to the model and lives as long as it, unless said
 * otherwise. Buffers belong to the caller: functions that fill one take its capacity and always give
 * the count that is needed; with a capacity of 0 (and NULL) they only tell it.
 *
 * Threads. Models are independent of each other. One model is used by one thread at a time, but for
 * rotor_cancel(), which any thread may call.
 *
 * Versions. rotor_abi_version() of the library equals ROTOR_ABI_VERSION of the header that a program was
 * compiled with, or the two do not fit. Structs begin with their size: later minor versions append
 * fields, and a field that the caller's struct lacks has its default. */
#ifndef ROTOR_ROTOR_C_H
#define ROTOR_ROTOR_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ROTOR_ABI_VERSION 1u

typedef int32_t rotor_code;
enum {
  ROTOR_OK = 0,
  ROTOR_INVALID_ARGUMENT = 1,     /* the caller's options or sizes make no sense */
  ROTOR_NOT_FOUND = 2,            /* no such file or name */
  ROTOR_IO_ERROR = 3,             /* the operating system refused or failed */
  ROTOR_FORMAT_ERROR = 4,         /* a file contradicts its format, or itself */
  ROTOR_UNSUPPORTED = 5,          /* well-formed, but Rotor does not do this */
  ROTOR_OUT_OF_MEMORY = 6,        /* would not fit */
  ROTOR_OUT_OF_PAGES = 7,         /* the cache has no room for so many answers */
  ROTOR_NETWORK_ERROR = 8,        /* a download failed */
  ROTOR_VERIFICATION_FAILED = 9,  /* a checksum disagrees */
  ROTOR_CANCELLED = 10,           /* the caller asked to stop */
  ROTOR_NOT_FINITE = 11,          /* an activation became infinite or NaN */
  ROTOR_INTERNAL = 12             /* a bug in Rotor */
};

typedef int32_t rotor_finish_reason;
enum {
  ROTOR_RUNNING = 0,
  ROTOR_FINISH_STOP = 1,               /* a stop string */
  ROTOR_FINISH_END_OF_GENERATION = 2,  /* a token with which the model says that it is done */
  ROTOR_FINISH_LENGTH = 3,             /* max_new_tokens, or the context is full */
  ROTOR_FINISH_CANCELLED = 4
};

typedef struct rotor_model rotor_model;

uint32_t rotor_abi_version(void);
const char* rotor_version(void);                /* "0.1.0" */
const char* rotor_code_name(rotor_code code);   /* "format error"; "unknown" for no code */
/* Why the last call of this thread that failed did so; "" before. UTF-8, valid until this thread's next
 * call that fails. */
const char* rotor_last_error(void);

/* ---- Models ---- */

typedef struct rotor_open_options {
  size_t size;         /* sizeof(rotor_open_options) */
  size_t threads;      /* 0: what the affinity mask and the control group allow */
  size_t context;      /* most positions of prompt and answer; 0: the model's own, at most 4096 */
  size_t sequences;    /* room for so many answers at once; at least 1 */
  int32_t every_logit; /* not 0: keep the whole head in memory, for rotor_logits() */
  const char* kv;      /* type of the key/value cache: "f16", "bf16", "f32", "int8"; NULL: f16 */
} rotor_open_options;

void rotor_open_options_init(rotor_open_options* options);

/* Opens a Hugging Face folder, a .safetensors, .gguf or .rotor file. `options` may be NULL. */
rotor_code rotor_open(const char* path, const rotor_open_options* options, rotor_model** model);
/* NULL is allowed. No call on the model may be running. */
void rotor_close(rotor_model* model);

size_t rotor_vocabulary(const rotor_model* model);  /* tokens; ids are 0 .. vocabulary - 1 */
size_t rotor_context(const rotor_model* model);     /* positions */
/* Tokens with which the model says that it is done: (*count) ids. */
const int32_t* rotor_end_of_generation(const rotor_model* model, size_t* count);
/* What was odd about the file and was repaired or guessed; NULL from the last one on. */
const char* rotor_warning(const rotor_model* model, size_t index);

/* ---- Adapters ---- */

typedef struct rotor_lora rotor_lora;

/* Reads a low-rank adapter in PEFT's format, a folder with adapter_config.json and
 * adapter_model.safetensors, for this model and others of its shapes. ROTOR_INVALID_ARGUMENT when it is
 * of another model. */
rotor_code rotor_load_lora(const rotor_model* model, const char* folder, rotor_lora** lora);
/* NULL is allowed. Models that it was set for go on with it. */
void rotor_free_lora(rotor_lora* lora);

/* What the model computes with from now on: (count) adapters, added in their order, each `scales[i]`
 * times; `scales` may be NULL: once each. None: the model alone. */
rotor_code rotor_set_loras(rotor_model* model, const rotor_lora* const* loras, const float* scales,
                           size_t count);

/* ---- Text ---- */

typedef struct rotor_message {
  const char* role;     /* "system", "user", "assistant" */
  const char* content;  /* UTF-8 */
} rotor_message;

/* `bytes` bytes of text as tokens, begin-of-text first if the model wants it. Text never becomes a
 * special token. ROTOR_INVALID_ARGUMENT, with *count set and nothing written, when `capacity` is
 * neither 0 nor enough; the same holds for the two functions below. */
rotor_code rotor_encode(const rotor_model* model, const char* text, size_t bytes, int32_t* tokens,
                        size_t capacity, size_t* count);
/* A conversation by the model's chat template, up to where the answer begins. */
rotor_code rotor_encode_chat(const rotor_model* model, const rotor_message* messages,
                             size_t message_count, int32_t* tokens, size_t capacity, size_t* count);
/* The bytes of the tokens joined, special tokens left out; they need not be UTF-8 and end with no NUL. */
rotor_code rotor_decode(const rotor_model* model, const int32_t* tokens, size_t token_count,
                        char* text, size_t capacity, size_t* bytes);

/* ---- Generation ---- */

typedef struct rotor_logit_bias {
  int32_t token;
  float bias;  /* finite, or -infinity: never this token */
} rotor_logit_bias;

/* The names and meanings are those of `rotor run`; rotor_request_init() sets the same defaults. */
typedef struct rotor_request {
  size_t size;                 /* sizeof(rotor_request) */
  const int32_t* prompt;       /* (prompt_tokens) the whole text so far */
  size_t prompt_tokens;        /* at least 1, at most the context */
  size_t max_new_tokens;       /* SIZE_MAX: up to the context */
  size_t answers;              /* 1 .. 256 */
  const char* const* stop;     /* (stop_count) an answer ends before any of these strings */
  size_t stop_count;
  int32_t ignore_end;          /* not 0: the model's end-of-generation tokens end no answer */
  int32_t log_probabilities;   /* not 0: events carry them */
  int32_t speculate;           /* 0: no drafts; the answers are the same either way */

  float temperature;           /* 0: greedy */
  int32_t top_k;               /* 0: all */
  float top_p;                 /* 1: all */
  float min_p;                 /* 0: all */
  float typical_p;             /* 1: all */
  int32_t repeat_last_n;       /* -1: all, 0: no penalties */
  float repeat_penalty;        /* 1: none */
  float presence_penalty;      /* 0: none */
  float frequency_penalty;     /* 0: none */
  uint64_t seed;
  const rotor_logit_bias* logit_bias;  /* (logit_bias_count) at most one a token */
  size_t logit_bias_count;

  size_t beam_width;           /* 1: none; 2 .. 256: beam search */
  float length_penalty;        /* of beam search, -8 .. 8; larger favours long answers */
  int32_t early_stopping;      /* of beam search: 0 by a heuristic, 1 at `beam_width` answers, 2 never */
  double* scores;              /* (answers) gets the scores of beam search, best first; may be NULL */
} rotor_request;

void rotor_request_init(rotor_request* request);

/* One for each token of an answer, in order; answers interleave. */
typedef struct rotor_event {
  size_t size;                        /* of the library's struct */
  size_t answer;
  int32_t token;                      /* -1 when the answer ends without another token */
  const char* text;                   /* whole characters that are now certain, with a NUL behind */
  size_t text_bytes;                  /* without that NUL */
  double log_probability;             /* natural logarithm; 0 unless asked for */
  rotor_finish_reason finish_reason;  /* not ROTOR_RUNNING in the last event of an answer alone */
} rotor_event;

/* `event` is valid in the call. Returns 0 to go on, anything else to cancel. */
typedef int32_t (*rotor_event_callback)(const rotor_event* event, void* user);

typedef struct rotor_stats {
  size_t size;              /* sizeof(rotor_stats) */
  size_t prompt_tokens;
  size_t cached_tokens;     /* of the prompt: not computed again */
  size_t generated_tokens;  /* of all answers */
  size_t drafted_tokens;
  size_t accepted_tokens;
  double prompt_seconds;
  double generation_seconds;
} rotor_stats;

/* Answers the prompt; `callback` is called from this thread. What the prompt has in common with the last
 * prompt and answer is not computed again. `stats` may be NULL; else its size is set by the caller.
 * Cancellation is no error: answers end with ROTOR_FINISH_CANCELLED. */
rotor_code rotor_generate(rotor_model* model, const rotor_request* request,
                          rotor_event_callback callback, void* user, rotor_stats* stats);

/* Logits after each of `tokens` (1 .. context ids): `logits` gets (rows, vocabulary) binary32 numbers of
 * the last `rows` tokens, 1 <= rows <= token_count. */
rotor_code rotor_logits(rotor_model* model, const int32_t* tokens, size_t token_count, size_t rows,
                        float* logits);

/* Ends the rotor_generate() or rotor_logits() that runs, within a layer's time. */
void rotor_cancel(rotor_model* model);

#ifdef __cplusplus
}
#endif

#endif
