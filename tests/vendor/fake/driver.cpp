// A CUDA driver that has no GPU: under the name libcuda.so.1 it lets cuDNN make plans whose engines it compiles at run time,
// on machines without a driver. cuDNN writes the kernel and compiles it (NVRTC) in earnest; what it then asks of the driver,
// to load the result, is answered with success and a handle that leads nowhere. All else is refused as the toolkit's stub
// library does, so that nothing takes this for a device.
//
// cuDNN 9.19 looks up exactly these functions, and takes a library that lacks one for none at all.
// Source: cuda.h of CUDA 13.
extern "C" {

enum { success = 0, stub_library = 34 };  // CUDA_SUCCESS, CUDA_ERROR_STUB_LIBRARY

// Of cuDNN's way to a plan: a kernel is loaded once it has been compiled.
static int compilations = 0;
int tessera_compilations() { return compilations; }

int cuLibraryLoadData(void** library, const void*, void*, void*, unsigned, void*, void*, unsigned) {
  static char nowhere;
  *library = &nowhere;
  ++compilations;
  return success;
}
int cuLibraryGetKernel(void** kernel, void*, const char*) {
  static char nowhere;
  *kernel = &nowhere;
  return success;
}
int cuLibraryUnload(void*) { return success; }
int cuKernelGetAttribute(int* value, int, void*, int) {
  *value = 0;
  return success;
}
int cuKernelSetAttribute(int, int, void*, int) { return success; }

int cuGetErrorString(int, const char** text) {
  *text = "this is no driver but a test's";
  return success;
}
int cuGetErrorName(int, const char** text) { return cuGetErrorString(0, text); }

// What needs a device.
#define REFUSED(function) \
  int function() { return stub_library; }
REFUSED(cuInit)
REFUSED(cuDriverGetVersion)
REFUSED(cuDeviceGet)
REFUSED(cuDeviceGetCount)
REFUSED(cuCtxGetCurrent)
REFUSED(cuCtxGetLimit)
REFUSED(cuCtxPopCurrent)
REFUSED(cuCtxPushCurrent)
REFUSED(cuStreamGetCtx)
REFUSED(cuLinkCreate)
REFUSED(cuLinkAddData)
REFUSED(cuLinkComplete)
REFUSED(cuLinkDestroy)
REFUSED(cuLibraryLoadFromFile)
REFUSED(cuLaunchKernel)
REFUSED(cuLaunchKernelEx)
REFUSED(cuLaunchCooperativeKernel)
REFUSED(cuOccupancyMaxPotentialClusterSize)
}
