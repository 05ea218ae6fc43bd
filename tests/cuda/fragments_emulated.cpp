#include "tests/cuda/fragments.cu"
