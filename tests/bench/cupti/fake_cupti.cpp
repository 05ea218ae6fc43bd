// A library that speaks as CUPTI does and has seen, by the time of each flush, two kernels, a copy and a fill, in the newest
// forms of records that CUDA 12 has. With FAKE_CUPTI_LOSES it has lost the times of one kernel and dropped two records
// besides; with FAKE_CUPTI_REFUSES it traces nothing.
#include <cupti_activity.h>
#include <cupti_result.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

CUpti_BuffersCallbackRequestFunc wanted = nullptr;
CUpti_BuffersCallbackCompleteFunc full = nullptr;
bool kinds[CUPTI_ACTIVITY_KIND_COUNT] = {};
bool registered = false, dropped = false;

std::size_t size_of(const CUpti_Activity& record) {
  switch (record.kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: return sizeof(CUpti_ActivityKernel9);
    case CUPTI_ACTIVITY_KIND_MEMCPY: return sizeof(CUpti_ActivityMemcpy5);
    default: return sizeof(CUpti_ActivityMemset4);
  }
}

template <class Record>
Record* add(std::uint8_t* buffer, std::size_t& used, CUpti_ActivityKind kind, std::uint64_t begin, std::uint64_t end) {
  auto* record = reinterpret_cast<Record*>(buffer + used);
  std::memset(static_cast<void*>(record), 0xEE, sizeof(Record));
  record->kind = kind;
  record->start = begin;
  record->end = end;
  used += sizeof(Record);
  return record;
}

void kernel(std::uint8_t* buffer, std::size_t& used, std::uint64_t begin, std::uint64_t end, int x, int y, int z) {
  auto* record = add<CUpti_ActivityKernel9>(buffer, used, CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, begin, end);
  record->gridX = x;
  record->gridY = y;
  record->gridZ = z;
}

}  // namespace

extern "C" {

CUptiResult CUPTIAPI cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc request,
                                                    CUpti_BuffersCallbackCompleteFunc complete) {
  wanted = request;
  full = complete;
  registered = true;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityEnable(CUpti_ActivityKind kind) {
  if (!registered) return CUPTI_ERROR_INVALID_OPERATION;
  if (std::getenv("FAKE_CUPTI_REFUSES")) return CUPTI_ERROR_INSUFFICIENT_PRIVILEGES;
  kinds[kind] = true;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityFlushAll(uint32_t flag) {
  if (flag != 0) return CUPTI_SUCCESS;  // nothing is left
  std::uint8_t* buffer = nullptr;
  std::size_t size = 0, most = 1, used = 0;
  wanted(&buffer, &size, &most);
  if (!buffer || size < 4096 || most != 0) return CUPTI_ERROR_OUT_OF_MEMORY;
  dropped = std::getenv("FAKE_CUPTI_LOSES");
  if (kinds[CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL]) {
    kernel(buffer, used, 1'000, 1'500, 11, 3, 2);
    if (dropped) kernel(buffer, used, 0, 0, 1, 1, 1);
    kernel(buffer, used, 2'000, 2'100, 132, 1, 1);
  }
  if (kinds[CUPTI_ACTIVITY_KIND_MEMCPY]) add<CUpti_ActivityMemcpy5>(buffer, used, CUPTI_ACTIVITY_KIND_MEMCPY, 1'400, 1'700);
  if (kinds[CUPTI_ACTIVITY_KIND_MEMSET]) add<CUpti_ActivityMemset4>(buffer, used, CUPTI_ACTIVITY_KIND_MEMSET, 3'000, 3'010);
  full(nullptr, 0, buffer, size, used);
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityGetNextRecord(uint8_t* buffer, size_t valid, CUpti_Activity** record) {
  auto* next = *record ? reinterpret_cast<std::uint8_t*>(*record) + size_of(**record) : buffer;
  if (next >= buffer + valid) return CUPTI_ERROR_MAX_LIMIT_REACHED;
  *record = reinterpret_cast<CUpti_Activity*>(next);
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityGetNumDroppedRecords(CUcontext, uint32_t, size_t* count) {
  *count = dropped ? 2 : 0;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiGetResultString(CUptiResult result, const char** text) {
  *text = result == CUPTI_ERROR_INSUFFICIENT_PRIVILEGES ? "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES" : "another error";
  return CUPTI_SUCCESS;
}
}
