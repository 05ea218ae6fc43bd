#include "engine/run/ranges.h"

#if defined(TESSERA_WITH_NVTX)
#include <nvtx3/nvToolsExt.h>

namespace tessera {

NamedRange::NamedRange(const std::string& name) { nvtxRangePushA(name.c_str()); }
NamedRange::~NamedRange() { nvtxRangePop(); }

}  // namespace tessera
#else

namespace tessera {

NamedRange::NamedRange(const std::string&) {}
NamedRange::~NamedRange() = default;

}  // namespace tessera
#endif
