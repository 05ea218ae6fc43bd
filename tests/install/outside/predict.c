/* What a network sees in a grey picture: predict WEIGHTS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/tessera_c.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  tessera_network* net = tessera_load(argv[1], NULL);
  if (!net) {
    fprintf(stderr, "%s\n", tessera_last_error());
    return 1;
  }
  const int64_t height = 48, width = 64, classes = tessera_classes(net);
  uint8_t* pixels = malloc((size_t)(height * width * 3));
  float* p = malloc((size_t)classes * sizeof *p);
  memset(pixels, 128, (size_t)(height * width * 3));
  const int code = tessera_predict(net, pixels, 1, height, width, p);
  for (int64_t i = 0; code == TESSERA_OK && i < classes; ++i) printf("%s %.4f\n", tessera_class_name(net, i), (double)p[i]);
  free(pixels);
  free(p);
  tessera_free(net);
  return code;
}
