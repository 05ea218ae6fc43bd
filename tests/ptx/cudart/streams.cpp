// Streams, events, and recordings of streams as graphs.
#include "tests/ptx/cudart/driver.h"

using namespace tessera::ptx;

namespace {

// Calls body with the stream's state.
template <class Body>
cudaError_t on_stream(const char* name, cudaStream_t stream, Body body) {
  Driver& driver = Driver::instance();
  return driver.call(name, true, [&] {
    StreamState* const s = driver.stream(stream);
    return s ? body(driver, *s) : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t end_capture(Driver& driver, StreamState& s, cudaGraph_t* graph) {
  if (!s.capture) return cudaErrorIllegalState;
  if (s.mode != cudaStreamCaptureModeRelaxed && s.thread != std::this_thread::get_id())
    return cudaErrorStreamCaptureWrongThread;
  std::unique_ptr<Graph> recorded = std::move(s.capture);
  *graph = nullptr;
  if (s.invalid) return cudaErrorStreamCaptureInvalidated;
  driver.graphs.insert(recorded.get());
  *graph = reinterpret_cast<cudaGraph_t>(recorded.release());
  return cudaSuccess;
}

}  // namespace

// ---- streams -------------------------------------------------------------------------------------------------------------

TESSERA_PTX_API cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    auto* const s = new StreamState;
    s->device = driver.current_device();
    driver.streams.insert(s);
    *stream = reinterpret_cast<cudaStream_t>(s);
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return on_stream(__func__, stream, [](Driver& driver, StreamState& s) {
    if (s.capture) driver.machine.note("a stream is destroyed while it is recorded");
    const cudaError_t error = driver.drain(s);
    driver.streams.erase(&s);
    delete &s;
    return error;
  });
}
TESSERA_PTX_API cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return on_stream(__func__, stream, [](Driver& driver, StreamState& s) {
    if (!s.capture) return driver.drain(s);
    s.invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  });
}
TESSERA_PTX_API cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  return on_stream(__func__, stream, [device](Driver&, StreamState& s) {
    *device = s.device;
    return cudaSuccess;
  });
}

// ---- recordings ----------------------------------------------------------------------------------------------------------

TESSERA_PTX_API cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return on_stream(__func__, stream, [status](Driver&, StreamState& s) {
    *status = !s.capture  ? cudaStreamCaptureStatusNone
              : s.invalid ? cudaStreamCaptureStatusInvalidated
                          : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return on_stream(__func__, stream, [stream, mode](Driver&, StreamState& s) {
    if (!stream) return cudaErrorStreamCaptureUnsupported;
    if (s.capture) return cudaErrorIllegalState;
    s.capture = std::make_unique<Graph>();
    s.invalid = false;
    s.mode = mode;
    s.thread = std::this_thread::get_id();
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return on_stream(__func__, stream, [graph](Driver& driver, StreamState& s) { return end_capture(driver, s, graph); });
}
TESSERA_PTX_API cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    auto* const g = reinterpret_cast<Graph*>(graph);
    if (!driver.graphs.contains(g)) return cudaErrorInvalidValue;
    auto* const e = new ExecutableGraph{std::make_shared<const Graph>(*g)};
    driver.executables.insert(e);
    *executable = reinterpret_cast<cudaGraphExec_t>(e);
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    auto* const g = reinterpret_cast<Graph*>(graph);
    if (!driver.graphs.erase(g)) return cudaErrorInvalidValue;
    delete g;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    auto* const e = reinterpret_cast<ExecutableGraph*>(executable);
    if (!driver.executables.erase(e)) return cudaErrorInvalidValue;
    delete e;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return on_stream(__func__, stream, [executable](Driver& driver, StreamState& s) {
    auto* const e = reinterpret_cast<ExecutableGraph*>(executable);
    if (!driver.executables.contains(e) || s.device != driver.current_device()) return cudaErrorInvalidResourceHandle;
    return driver.push(s, [graph = e->graph] {
      for (const Operation& operation : graph->nodes) operation();
    });
  });
}

// ---- events --------------------------------------------------------------------------------------------------------------

TESSERA_PTX_API cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return Driver::instance().call(__func__, true, [&] {
    *event = reinterpret_cast<cudaEvent_t>(new EventState);
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaEventDestroy(cudaEvent_t event) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    (void)driver.drain_all();  // a stream may still have to note the event's time
    delete reinterpret_cast<EventState*>(event);
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return on_stream(__func__, stream, [event](Driver& driver, StreamState& s) {
    auto* const e = reinterpret_cast<EventState*>(event);
    return driver.push(s, [e] { e->at = std::chrono::steady_clock::now(); });
  });
}
TESSERA_PTX_API cudaError_t cudaEventSynchronize(cudaEvent_t) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] { return driver.drain_all(); });
}
TESSERA_PTX_API cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  return Driver::instance().call(__func__, true, [&] {
    const auto time = reinterpret_cast<EventState*>(end)->at - reinterpret_cast<EventState*>(begin)->at;
    *milliseconds = std::chrono::duration<float, std::milli>(time).count();
    return cudaSuccess;
  });
}
