// When failing allocations are reported (emergency.cpp).
#pragma once

namespace tessera {

// From now on what cannot be allocated is a std::bad_alloc, since there is somebody to tell. Called once, when main begins.
void let_allocations_fail();

}  // namespace tessera
