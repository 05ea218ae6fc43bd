/* Tessera in C: a trained network in a program of any language that calls C.
 *
 *   tessera_network* net = tessera_load("best.safetensors", NULL);
 *   if (!net) puts(tessera_last_error());
 *   float p[10];
 *   tessera_predict(net, pixels, 1, 480, 640, p);
 *   tessera_free(net);
 *
 * Link to libtessera_c. Each function may be called from any thread; calls with one handle wait for each other, those with
 * several run beside each other. Nothing throws, exits or prints: what fails returns NULL, or a code other than 0, and
 * tessera_last_error() says why. */
#ifndef TESSERA_TESSERA_C_H
#define TESSERA_TESSERA_C_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tessera_network tessera_network;

/* Codes; those of the programs (docs/commands.md). */
enum {
  TESSERA_OK = 0,
  TESSERA_INTERNAL = 1,  /* a fault of this library */
  TESSERA_USAGE = 2,     /* an argument that makes no sense */
  TESSERA_WEIGHTS = 4,   /* weights that are missing, broken or of another network */
  TESSERA_DEVICE = 5,    /* device or memory */
  TESSERA_NON_FINITE = 6 /* the network's outputs are NaN or infinite */
};

typedef struct tessera_options {
  const char* network; /* of weights whose file names none, such as "resnet18"; NULL: the file's */
  const char* device;  /* "cpu", "cuda", "cuda:1"; NULL: "cpu", which int8 weights (or "auto") want */
  int threads;         /* on a CPU; 0: as many as the process may use */
} tessera_options;

/* A network with the weights of a .safetensors file, ready to predict. options may be NULL. NULL where it fails. */
tessera_network* tessera_load(const char* weights, const tessera_options* options);
void tessera_free(tessera_network* network); /* NULL is allowed */

/* What each of `count` images shows. pixels: uint8 [count, height, width, 3], red first, rows from the top; any size: images are
 * resized to the network's own, and made grey for one of grey images, as the program `predict` does. probabilities: float [count, tessera_classes()], each row
 * softmax of the logits; a network of one output has two classes, with 1 - p and p. Returns 0 or a code. */
int tessera_predict(tessera_network* network, const uint8_t* pixels, int64_t count, int64_t height, int64_t width,
                    float* probabilities);

int64_t tessera_classes(const tessera_network* network);
/* The name of a class, UTF-8, valid as long as the network; its number where the file has no name; NULL out of range. */
const char* tessera_class_name(const tessera_network* network, int64_t index);
/* Height and width that images are resized to. */
void tessera_input_size(const tessera_network* network, int64_t* height, int64_t* width);

/* Why this thread's last call failed; "" where it did not. Valid until its next call. */
const char* tessera_last_error(void);
const char* tessera_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
