// What the one executable can be asked to do. Each verb takes its own command line, argv[0] being the name it was called by
// ("evaluate", "tessera evaluate"), and returns the exit code.
#pragma once

namespace tessera {

#define TESSERA_VERB(verb, arguments, description) int verb##_main(int argc, char** argv);
#include "apps/verbs.def"
#undef TESSERA_VERB

int train_main(const char* network, int argc, char** argv);

}  // namespace tessera
