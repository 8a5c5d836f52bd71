// SPDX-License-Identifier: Apache-2.0
// Writes a story: story MODEL "Once upon a time"
#include <rotor/rotor_c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int32_t print(const rotor_event* event, void* user) {
  (void)user;
  fwrite(event->text, 1, event->text_bytes, stdout);
  return 0;
}

static int failed(void) {
  fprintf(stderr, "story: %s\n", rotor_last_error());
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: story MODEL TEXT\n");
    return 2;
  }
  rotor_model* model;
  if (rotor_open(argv[1], NULL, &model) != ROTOR_OK) {
    return failed();
  }
  size_t count;
  if (rotor_encode(model, argv[2], strlen(argv[2]), NULL, 0, &count) != ROTOR_OK) {
    return failed();
  }
  int32_t* prompt = malloc(count * sizeof(*prompt));
  if (prompt == NULL ||
      rotor_encode(model, argv[2], strlen(argv[2]), prompt, count, &count) != ROTOR_OK) {
    return failed();
  }
  rotor_request request;
  rotor_request_init(&request);
  request.prompt = prompt;
  request.prompt_tokens = count;
  request.max_new_tokens = 64;
  request.temperature = 0.0f;
  const rotor_code code = rotor_generate(model, &request, print, NULL, NULL);
  free(prompt);
  rotor_close(model);
  printf("\n");
  return code == ROTOR_OK ? 0 : failed();
}
