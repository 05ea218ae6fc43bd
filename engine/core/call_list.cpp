#include "engine/core/call_list.h"

#include <cmath>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <type_traits>

#include "kernels/watched_table.h"

namespace tessera {
namespace {

using namespace kernels;

// Which memory holds what, by address: what a call reads must be known, down to its size.
class Memory {
 public:
  struct Block {
    std::size_t bytes;
    const void* constant;  // where its contents lie for good; null: they change from run to run
  };

  const Block* find(const ConstView& v) const {
    const auto at = blocks_.find(static_cast<const std::byte*>(v.data));
    return at != blocks_.end() && bytes_of(v) <= at->second.bytes ? &at->second : nullptr;
  }
  // v is written: what overlaps it is no more.
  void put(const ConstView& v, const void* constant) {
    const auto* const begin = static_cast<const std::byte*>(v.data);
    auto at = blocks_.lower_bound(begin);
    if (at != blocks_.begin() && std::prev(at)->first + std::prev(at)->second.bytes > begin) --at;
    while (at != blocks_.end() && at->first < begin + bytes_of(v)) at = blocks_.erase(at);
    blocks_[begin] = {bytes_of(v), constant};
  }
  static std::size_t bytes_of(const ConstView& v) { return static_cast<std::size_t>(v.count()) * size_of(v.dtype); }

 private:
  std::map<const std::byte*, Block> blocks_;
};

// each(view) for what a call reads, and for what it writes; other arguments are neither.
template <class Each>
void for_reads(ConstView& v, const Each& each) {
  if (v) each(v);
}
template <class Each>
void for_reads(Conv2dEpilogue& e, const Each& each) {
  for_reads(e.scale, each), for_reads(e.shift, each), for_reads(e.residual, each);
}
template <class Each>
void for_reads(const Gradient& g, const Each& each) {
  ConstView before = g.view;
  if (g && g.accumulate) each(before);
}
template <class Argument, class Each>
void for_reads(const Argument&, const Each&) {}

template <class Each>
void for_writes(const View& v, const Each& each) {
  if (v) each(v);
}
template <class Each>
void for_writes(const Gradient& g, const Each& each) {
  if (g) each(g.view);
}
template <class Argument, class Each>
void for_writes(const Argument&, const Each&) {}

struct Notes {
  kernels::KeptWeights& weights;
  const Int8Products& int8;
  std::shared_ptr<Device> device;
  std::shared_ptr<MemoryPool> own;  // of what is kept: nothing else may take its memory
  Memory memory = {};
  std::vector<Tensor> kept = {};
  std::vector<PreparedCall> calls = {};
  std::set<const void*> in_int8 = {};  // weights of `int8` that were met
  bool complete = true;

  // The product that is to be computed in eight bits; null: in floats.
  const Int8Product* int8_of(const ConstView& weights_of) {
    const auto at = int8.find(weights_of.data);
    if (at == int8.end()) return nullptr;
    in_int8.insert(at->first);
    return &at->second;
  }
  void keep(const View& v) {
    const Device::PoolScope scope(*device, own);
    const Tensor copy = Tensor::empty(device, {v.count()}, v.dtype);
    std::memcpy(copy.data(), v.data, Memory::bytes_of(v));
    memory.put(v, copy.data());
    memory.put(copy, copy.data());
    kept.push_back(copy);
  }
};

bool is_constant(const Notes& notes, const ConstView& v) {
  const Memory::Block* const block = notes.memory.find(v);
  return block && block->constant == v.data;
}

// A product in eight bits folds its scales into one, which must be there before any input is; and where that, or the shift, is
// not finite, nothing that comes out can be told from an answer: sums of whole numbers are finite always.
void require_finite(const Notes& notes, const Int8Product& product, const ConstView& scale, const ConstView& shift) {
  if (scale && !is_constant(notes, scale))
    throw Error(ExitCode::weights,
                "int8: what scales a product in eight bits depends on the images; it can be float32 only");
  const float* const scales = scale ? scale.as<float>() : nullptr;
  const float* const shifts = shift && is_constant(notes, shift) ? shift.as<float>() : nullptr;
  for (std::size_t k = 0; k < product.weight_scales.size(); ++k) {
    const float whole = product.weight_scales[k] * product.input_scale * (scales ? scales[k] : 1.0f);
    if (!std::isfinite(whole) || (shifts && !std::isfinite(shifts[k])))
      throw NonFiniteError("int8: scale or shift of output " + std::to_string(k) + " of a product of " +
                           std::to_string(product.weight_scales.size()) +
                           " outputs is not finite: these weights are of no use");
  }
}

// The call with its weights made ready, where they are the caller's constants; else none.
template <auto slot, class... Arguments>
PreparedCall prepared(Notes&, Stream&, const Arguments&...) {
  return {};
}
template <>
PreparedCall prepared<&Backend::conv2d_forward>(Notes& notes, Stream& stream, const Conv2dShape& shape, const ConstView& x,
                                                const ConstView& w, const Conv2dEpilogue& epilogue, const View& y) {
  if (!is_constant(notes, w)) return {};
  if (const Int8Product* product = notes.int8_of(w)) {
    require_finite(notes, *product, epilogue.scale, epilogue.shift);
    return preparation_of(stream.backend)->conv2d_forward_int8(stream, notes.weights, *product, shape, x, w, epilogue, y);
  }
  return preparation_of(stream.backend)->conv2d_forward(stream, notes.weights, shape, x, w, epilogue, y);
}
template <>
PreparedCall prepared<&Backend::matmul>(Notes& notes, Stream& stream, const MatmulParams& params, const ConstView& a,
                                        const ConstView& b, const ConstView& bias, const Gradient& c) {
  if (!is_constant(notes, b)) return {};
  if (const Int8Product* product = notes.int8_of(b)) {
    require_finite(notes, *product, {}, bias);
    return preparation_of(stream.backend)->matmul_int8(stream, notes.weights, *product, params, a, b, bias, c);
  }
  return preparation_of(stream.backend)->matmul(stream, notes.weights, params, a, b, bias, c);
}

// What is added to is read where it is written, and a constant lies elsewhere.
template <class Argument>
bool adds_to_constant(const Notes&, const Argument&) {
  return false;
}
bool adds_to_constant(const Notes& notes, const Gradient& g) {
  const Memory::Block* const block = g.accumulate ? notes.memory.find(g.view) : nullptr;
  return block && block->constant;
}

struct Noting {
  template <auto slot, class... Arguments>
  static void on(Stream& stream, Arguments... arguments) {
    Notes& notes = *static_cast<Notes*>(stream.library.get());
    bool changes = (std::is_pointer_v<Arguments> || ...);
    if (changes) notes.complete = false;  // memory without a size is not followed
    const auto read = [&](ConstView& v) {
      const Memory::Block* const block = notes.memory.find(v);
      notes.complete &= block != nullptr;
      if (block && block->constant)
        v.data = block->constant;
      else
        changes = true;
    };
    (for_reads(arguments, read), ...);
    // copy_columns writes a part of y, and what the rest holds it does not say.
    if (constexpr bool whole = !std::is_same_v<decltype(slot), decltype(&Backend::copy_columns)>; whole && !changes) {
      (stream.backend.*slot)(stream, arguments...);
      (for_writes(arguments, [&](const View& v) { notes.keep(v); }), ...);
      return;
    }
    if ((adds_to_constant(notes, arguments) || ...)) notes.complete = false;
    const auto write = [&](const View& v) { notes.memory.put(v, nullptr); };
    PreparedCall call = prepared<slot>(notes, stream, arguments...);
    if (!call) call = [arguments...](Stream& on) { (on.backend.*slot)(on, arguments...); };
    notes.calls.push_back(std::move(call));
    (for_writes(arguments, write), ...);
  }
};

}  // namespace

bool CallList::useful(const Device& device) { return preparation_of(device.backend()) != nullptr; }

std::optional<CallList> CallList::note(const std::shared_ptr<Device>& device, KeptWeights& weights,
                                       std::span<const Tensor> constants, const Tensor& input,
                                       const std::function<void()>& work, const Int8Products& int8) {
  CallList list(device);
  const auto notes =
      std::make_shared<Notes>(Notes{.weights = weights, .int8 = int8, .device = device, .own = device->new_pool()});
  for (const Tensor& constant : constants) notes->memory.put(constant, constant.data());
  notes->memory.put(input, nullptr);
  const std::size_t copies = device->copies();
  {
    const Backend table = watched_table<Noting>(device->backend());
    const Device::PoolScope memory(*device, list.pool_);
    const Device::TableScope watching(*device, table, notes);
    try {
      work();
    } catch (const std::exception&) {
      if (device->copies() == copies) throw;
      return std::nullopt;  // it has looked at values, and there were none yet
    }
  }
  if (notes->in_int8.size() != int8.size())
    throw Error(ExitCode::weights,
                "int8: " + std::to_string(int8.size() - notes->in_int8.size()) +
                    " of the weights that are to be met in eight bits meet no convolution and no dense layer");
  if (!notes->complete || device->copies() != copies) return std::nullopt;
  list.kept_ = std::move(notes->kept);
  list.calls_ = std::move(notes->calls);
  return list;
}

void CallList::run() const {
  for (const PreparedCall& call : calls_) call(device_->stream());
}

}  // namespace tessera
