// What a test may tell the interpreter's runtime besides CUDA's own functions.
#pragma once

extern "C" {

// The nth call of an API function from now on fails with this cudaError_t; "" or null: none does.
void tessera_ptx_fail(const char* function, unsigned nth, int error);
// Calls of an API function so far.
unsigned long long tessera_ptx_calls(const char* function);
// Forgets a fault that stays, and all work under way: as a new process would.
void tessera_ptx_recover();
// How many devices there are from now on; −1: no driver.
void tessera_ptx_set_devices(int count);
}
