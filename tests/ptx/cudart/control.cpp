#include "tests/ptx/cudart/control.h"

#include "tests/ptx/cudart/driver.h"

using tessera::ptx::Driver;

TESSERA_PTX_API void tessera_ptx_fail(const char* function, unsigned nth, int error) {
  Driver& driver = Driver::instance();
  const std::string name = function ? function : "";
  driver.failure = {name, driver.calls[name] + nth, static_cast<cudaError_t>(error)};
}
TESSERA_PTX_API unsigned long long tessera_ptx_calls(const char* function) { return Driver::instance().calls[function]; }
TESSERA_PTX_API void tessera_ptx_recover() { Driver::instance().recover(); }
TESSERA_PTX_API void tessera_ptx_set_devices(int count) { Driver::instance().devices = count; }
