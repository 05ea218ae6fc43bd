#include "engine/files/hdf5.h"

#include <algorithm>
#include <cctype>
#include <optional>

#ifdef TESSERA_HDF5_LIBRARY
#include <dlfcn.h>

#define H5_USE_110_API
#include <hdf5.h>

#include "engine/core/utf8.h"
#include "engine/files/isolated.h"
#include "engine/files/safetensors.h"
#endif

namespace tessera {

#ifndef TESSERA_HDF5_LIBRARY

bool has_hdf5() { return false; }

namespace {
constexpr const char* absent =
    "this build has no HDF5 library, which Keras' files take: apt-get install libhdf5-dev and configure anew";
}

TensorFile read_hdf5(ByteSpan, const std::string& where) { throw WeightsError(where + ": " + absent); }
Bytes write_hdf5(std::span<const TensorEntry>, std::span<const Hdf5Texts>) { throw WeightsError(absent); }

#else

bool has_hdf5() { return true; }

namespace {

constexpr unsigned read_only = 0, replace = 2;  // of opening and making a file; the header's words call the library

// The functions of the library, which is opened where it is needed and nowhere else: it brings a dozen others with it.
// clang-format off
#define TESSERA_HDF5_FUNCTIONS(F) \
  F(H5open) F(H5Aclose) F(H5Acreate2) F(H5Aexists) F(H5Aget_space) F(H5Aget_type) F(H5Aopen) F(H5Aread) F(H5Awrite) F(H5Dclose) F(H5Dcreate2) \
  F(H5Dget_create_plist) F(H5Dget_space) F(H5Dget_type) F(H5Dread) F(H5Dvlen_reclaim) F(H5Dwrite) F(H5Eset_auto2) \
  F(H5Fclose) F(H5Fcreate) F(H5Fflush) F(H5Fget_file_image) F(H5Fopen) F(H5Gclose) F(H5Gget_info) F(H5Gopen2) \
  F(H5Iget_type) F(H5Lexists) F(H5Lget_info) F(H5Lget_name_by_idx) F(H5Oclose) F(H5Oopen) F(H5PLset_loading_state) \
  F(H5Pclose) F(H5Pcreate) F(H5Pget_external_count) F(H5Pget_layout) F(H5Pset_create_intermediate_group) \
  F(H5Pset_fapl_core) F(H5Pset_file_image) F(H5Pset_obj_track_times) F(H5Sclose) F(H5Screate) F(H5Screate_simple) \
  F(H5Sget_simple_extent_dims) F(H5Sget_simple_extent_npoints) F(H5Tclose) F(H5Tcopy) F(H5Tget_class) F(H5Tget_ebias) \
  F(H5Tget_fields) F(H5Tget_norm) F(H5Tget_offset) F(H5Tget_order) F(H5Tget_precision) F(H5Tget_sign) F(H5Tget_size) \
  F(H5Tis_variable_str) F(H5Tset_size)
// clang-format on
#define TESSERA_HDF5_TEXT(name) #name

struct Library {
#define TESSERA_HDF5_MEMBER(name) decltype(&::name) name = nullptr;
  TESSERA_HDF5_FUNCTIONS(TESSERA_HDF5_MEMBER)
#undef TESSERA_HDF5_MEMBER
  const hid_t *file_access = nullptr, *link_create = nullptr, *dataset_create = nullptr, *f32 = nullptr, *text = nullptr;

  void open(const std::string& what) {
    void* library = ::dlopen(TESSERA_HDF5_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      throw WeightsError(what + ": " + TESSERA_HDF5_LIBRARY +
                         ", which Keras' files take, cannot be opened; install libhdf5");
    const auto find = [&](auto& to, const char* name) {
      to = reinterpret_cast<std::remove_reference_t<decltype(to)> >(::dlsym(library, name));
      if (!to) throw WeightsError(what + ": " + TESSERA_HDF5_LIBRARY + " has no " + name);
    };
#define TESSERA_HDF5_FIND(name) find(this->name, TESSERA_HDF5_TEXT(name));
    TESSERA_HDF5_FUNCTIONS(TESSERA_HDF5_FIND)
#undef TESSERA_HDF5_FIND
    find(file_access, "H5P_CLS_FILE_ACCESS_ID_g"), find(link_create, "H5P_CLS_LINK_CREATE_ID_g");
    find(dataset_create, "H5P_CLS_DATASET_CREATE_ID_g"), find(f32, "H5T_IEEE_F32LE_g"), find(text, "H5T_C_S1_g");
    if (H5open() < 0) throw WeightsError(what + ": " + TESSERA_HDF5_LIBRARY + " does not start");
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);  // filters that are no part of the library would be programs
  }
};

constexpr std::uint64_t free_bytes = std::uint64_t{64} << 20, ratio = 16;
constexpr std::size_t most_objects = 65536, longest_path = 1000, deepest = 32;
constexpr hsize_t most_names = 65536, longest_text = 1000;

[[noreturn]] void broken(const std::string& reason) { throw WeightsError(reason); }

// An identifier of the library, closed at the end of its scope.
class Id {
 public:
  Id(hid_t id, herr_t (*close)(hid_t), const std::string& what) : id_(id), close_(close) {
    if (id < 0) broken(what + ": HDF5 cannot read it; the file is damaged");
  }
  ~Id() { close_(id_); }
  Id(const Id&) = delete;
  Id& operator=(const Id&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

struct TypeRow {
  ElementType type;
  H5T_class_t kind;
  bool is_signed;
};
constexpr TypeRow types[] = {
    {ElementType::f64, H5T_FLOAT, true},    {ElementType::f32, H5T_FLOAT, true},    {ElementType::f16, H5T_FLOAT, true},
    {ElementType::i64, H5T_INTEGER, true},  {ElementType::i32, H5T_INTEGER, true},  {ElementType::i16, H5T_INTEGER, true},
    {ElementType::i8, H5T_INTEGER, true},   {ElementType::u64, H5T_INTEGER, false}, {ElementType::u32, H5T_INTEGER, false},
    {ElementType::u16, H5T_INTEGER, false}, {ElementType::u8, H5T_INTEGER, false}};

// Text in which numbers in names count as numbers, and a name without one comes before: unit, unit_1, unit_2, unit_10.
std::vector<std::pair<std::string, std::uint64_t> > natural_order(const std::string& path) {
  std::vector<std::pair<std::string, std::uint64_t> > key(1);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool digit = std::isdigit(static_cast<unsigned char>(path[i])) != 0;
    if (!digit) {
      if (i > 0 && std::isdigit(static_cast<unsigned char>(path[i - 1])) != 0) key.emplace_back();
      if (path[i] == '_' && i + 1 < path.size() && std::isdigit(static_cast<unsigned char>(path[i + 1])) != 0) continue;
      if (path[i] == '/') key.emplace_back();
      key.back().first += path[i];
    } else if (key.back().second < std::uint64_t{1} << 50) {
      key.back().second = key.back().second * 10 + static_cast<std::uint64_t>(path[i] - '0');
    }
  }
  return key;
}

class Hdf5Reader {
 public:
  Hdf5Reader(const Library& library, ByteSpan bytes, const std::string& where)
      : h(library),
        where_(where),
        most_(free_bytes + ratio * bytes.size()),
        result_(where),
        access_(access_of(h, bytes, where), h.H5Pclose, where),
        file_(h.H5Fopen("in memory", read_only, access_), h.H5Fclose, where) {}

  // The datasets as a safetensors file whose names begin with their place in the order.
  Bytes run() {
    const Id root(h.H5Gopen2(file_, "/", H5P_DEFAULT), h.H5Gclose, where_);
    hid_t model = root;
    std::optional<Id> inner;
    if (h.H5Lexists(root, "model_weights", H5P_DEFAULT) > 0)
      model = inner.emplace(open(root, "model_weights"), h.H5Oclose, where_);
    if (is_group(model) && h.H5Aexists(model, "layer_names") > 0)
      read_listed(model);
    else
      read_all(root);
    return encode_safetensors(result_.tensors(), {});
  }

 private:
  static hid_t access_of(const Library& h, ByteSpan bytes, const std::string& where) {
    const hid_t access = h.H5Pcreate(*h.file_access);
    // A copy: the library is not promised to leave it as it is.
    if (access < 0 || h.H5Pset_fapl_core(access, std::size_t{1} << 16, 0) < 0 ||
        h.H5Pset_file_image(access, const_cast<std::byte*>(bytes.data()), bytes.size()) < 0)
      broken(where + ": HDF5 takes no file in memory");
    return access;
  }

  bool is_group(hid_t object) const { return h.H5Iget_type(object) == H5I_GROUP; }

  // Follows hard links alone: others lead to other files, or in circles.
  hid_t open(hid_t group, const std::string& path) {
    for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      H5L_info_t link;
      if (part.empty() || h.H5Lget_info(group, part.c_str(), &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
        broken(where_ + ": " + printable(path) + " is not there, or is a link to somewhere else");
      if (end == path.npos) break;
    }
    return h.H5Oopen(group, path.c_str(), H5P_DEFAULT);
  }

  // ---- Keras 2: attributes list layers, and their weights.

  void read_listed(hid_t model) {
    for (const std::string& layer : texts(model, "layer_names")) {
      const Id group(open(model, layer), h.H5Oclose, where_);
      if (!is_group(group)) broken(where_ + ": layer " + printable(layer) + " is no group");
      for (const std::string& weight : texts(group, "weight_names")) {
        const Id dataset(open(group, weight), h.H5Oclose, where_);
        add(layer + "/" + weight, dataset);
      }
    }
  }

  std::vector<std::string> texts(hid_t object, const char* name) {
    const std::string what = where_ + ": attribute " + name;
    std::vector<std::string> list;
    if (h.H5Aexists(object, name) <= 0) return list;
    const Id attribute(h.H5Aopen(object, name, H5P_DEFAULT), h.H5Aclose, what);
    const Id type(h.H5Aget_type(attribute), h.H5Tclose, what), space(h.H5Aget_space(attribute), h.H5Sclose, what);
    const hssize_t count = h.H5Sget_simple_extent_npoints(space);
    if (count == 0) return list;  // NumPy gives an empty list no text type
    if (count < 0 || static_cast<hsize_t>(count) > most_names || h.H5Tget_class(type) != H5T_STRING)
      broken(what + " is no list of names");
    if (h.H5Tis_variable_str(type) > 0) {
      std::vector<char*> pointers(static_cast<std::size_t>(count));
      const Id text(h.H5Tcopy(type), h.H5Tclose, what);
      if (h.H5Aread(attribute, text, pointers.data()) < 0) broken(what + " cannot be read");
      for (const char* pointer : pointers) list.emplace_back(pointer ? pointer : "");
      h.H5Dvlen_reclaim(text, space, H5P_DEFAULT, pointers.data());
    } else {
      const std::size_t size = h.H5Tget_size(type);
      if (size == 0 || size > longest_text || size * static_cast<std::size_t>(count) > most_)
        broken(what + " has names too long");
      std::string all(size * static_cast<std::size_t>(count), '\0');
      if (h.H5Aread(attribute, type, all.data()) < 0) broken(what + " cannot be read");
      for (std::size_t at = 0; at < all.size(); at += size) {
        const std::string one = all.substr(at, size);
        list.push_back(one.substr(0, one.find('\0')));
      }
    }
    for (const std::string& text : list)
      if (text.empty() || text.size() > longest_text || text.front() == '/' || text.find("..") != text.npos)
        broken(what + " has a name that is no path: " + printable(text));
    return list;
  }

  // ---- Keras 3: every dataset there is.

  void read_all(hid_t root) {
    std::vector<std::string> paths;
    collect(root, "", 0, paths);
    // A stem is kept beside its blocks, at a lower depth.
    const auto place = [](const std::string& path) {
      return std::pair(std::count(path.begin(), path.end(), '/'), natural_order(path));
    };
    std::sort(paths.begin(), paths.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
    for (const std::string& path : paths) {
      const Id dataset(open(root, path), h.H5Oclose, where_);
      add(path, dataset);
    }
  }

  void collect(hid_t group, const std::string& prefix, std::size_t depth, std::vector<std::string>& paths) {
    if (depth > deepest) broken(where_ + ": groups nested deeper than 32, or within themselves");
    H5G_info_t info;
    if (h.H5Gget_info(group, &info) < 0) broken(where_ + ": a group that cannot be read");
    for (hsize_t i = 0; i < info.nlinks; ++i) {
      if (++objects_ > most_objects) broken(where_ + ": more than 65,536 groups and datasets");
      char name[256];
      const ssize_t length = h.H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
      if (length <= 0 || length >= static_cast<ssize_t>(sizeof name)) broken(where_ + ": a name that cannot be read");
      const std::string path = prefix + std::string(name, static_cast<std::size_t>(length));
      if (path.size() > longest_path) broken(where_ + ": a path of more than 1000 bytes");
      const Id object(open(group, name), h.H5Oclose, where_ + ": " + printable(path));
      if (is_group(object))
        collect(object, path + "/", depth + 1, paths);
      else if (h.H5Iget_type(object) == H5I_DATASET)
        paths.push_back(path);
    }
  }

  // ---- a dataset

  void add(const std::string& path, hid_t dataset) {
    const std::string what = where_ + ": dataset " + printable(path);
    if (h.H5Iget_type(dataset) != H5I_DATASET) broken(what + " is none");
    if (!is_utf8(path)) broken(what + ": its name is not UTF-8");
    const Id plan(h.H5Dget_create_plist(dataset), h.H5Pclose, what), space(h.H5Dget_space(dataset), h.H5Sclose, what),
        type(h.H5Dget_type(dataset), h.H5Tclose, what);
    if (h.H5Pget_external_count(plan) != 0 || h.H5Pget_layout(plan) == H5D_VIRTUAL)
      broken(what + ": its data lie in other files");
    const H5T_class_t kind = h.H5Tget_class(type);
    if (kind == H5T_STRING) return;  // says something, is no weight
    const std::size_t size = h.H5Tget_size(type);
    const bool is_signed = kind == H5T_FLOAT || (kind == H5T_INTEGER && h.H5Tget_sign(type) == H5T_SGN_2);
    const auto row = std::find_if(std::begin(types), std::end(types), [&](const TypeRow& r) {
      return r.kind == kind && size_of(r.type) == size && r.is_signed == is_signed;
    });
    if (row == std::end(types) || (size > 1 && h.H5Tget_order(type) != H5T_ORDER_LE))
      broken(what + ": its elements are no little-endian numbers of a usual size");
    if (!is_whole(type, kind, size))
      broken(what + ": its elements are neither whole integers nor IEEE 754's numbers (bfloat16?); save them as float32");
    hsize_t extents[H5S_MAX_RANK];
    const int rank = h.H5Sget_simple_extent_dims(space, extents, nullptr);
    if (rank < 0 || rank > 16) broken(what + ": its shape cannot be read");
    TensorEntry entry{.name = std::to_string(1'000'000 + result_.tensors().size()) + path, .dtype = row->type};
    for (int axis = 0; axis < rank; ++axis) {
      if (extents[axis] > most_)
        broken(what + ": has an extent of " + std::to_string(extents[axis]) + ", more than the file vouches for");
      entry.shape.push_back(static_cast<std::int64_t>(extents[axis]));
    }
    const std::uint64_t bytes = bytes_of_shape(entry.dtype, entry.shape, what);
    if (bytes > most_ || taken_ > most_ - bytes)
      broken(what + ": all in all more than " + std::to_string(most_) + " bytes, more than the file vouches for");
    taken_ += bytes;
    Bytes elements(static_cast<std::size_t>(bytes));
    if (bytes > 0 && h.H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, elements.data()) < 0)
      broken(what + ": its elements cannot be read; the file is damaged");
    entry.bytes = result_.keep(std::move(elements));
    result_.add(std::move(entry));
  }

  // Whether the bits are laid out as in integers of their size or as IEEE 754 lays them out, which class and size do not say.
  bool is_whole(hid_t type, H5T_class_t kind, std::size_t size) const {
    const std::size_t bits = 8 * size;
    if (h.H5Tget_precision(type) != bits || h.H5Tget_offset(type) != 0) return false;
    if (kind != H5T_FLOAT) return true;
    const std::size_t exponent_bits = size == 2 ? 5 : size == 4 ? 8 : 11, mantissa_bits = bits - 1 - exponent_bits;
    std::size_t sign = 0, exponent = 0, exponent_size = 0, mantissa = 0, mantissa_size = 0;
    return h.H5Tget_fields(type, &sign, &exponent, &exponent_size, &mantissa, &mantissa_size) >= 0 && sign == bits - 1 &&
           exponent == mantissa_bits && exponent_size == exponent_bits && mantissa == 0 && mantissa_size == mantissa_bits &&
           h.H5Tget_ebias(type) == (std::size_t{1} << (exponent_bits - 1)) - 1 && h.H5Tget_norm(type) == H5T_NORM_IMPLIED;
  }

  const Library& h;
  std::string where_;
  std::uint64_t most_, taken_ = 0;
  std::size_t objects_ = 0;
  TensorFile result_;
  Id access_, file_;
};

Bytes encode(const Library& h, std::span<const TensorEntry> datasets, std::span<const Hdf5Texts> attributes,
             const std::string& what) {
  const auto check = [](herr_t result) {
    if (result < 0) broken("HDF5 could not write the weights");
  };
  const Id access(h.H5Pcreate(*h.file_access), h.H5Pclose, what), links(h.H5Pcreate(*h.link_create), h.H5Pclose, what),
      plan(h.H5Pcreate(*h.dataset_create), h.H5Pclose, what);
  check(h.H5Pset_fapl_core(access, std::size_t{1} << 16, 0));
  check(h.H5Pset_create_intermediate_group(links, 1));
  check(h.H5Pset_obj_track_times(plan, false));
  const Id file(h.H5Fcreate("in memory", replace, H5P_DEFAULT, access), h.H5Fclose, what);
  for (const TensorEntry& dataset : datasets) {
    if (dataset.dtype != ElementType::f32) broken("tensor " + printable(dataset.name) + ": Keras' files are written of F32");
    const std::vector<hsize_t> extents(dataset.shape.begin(), dataset.shape.end());
    const Id space(extents.empty() ? h.H5Screate(H5S_SCALAR)
                                   : h.H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr),
                   h.H5Sclose, what);
    const Id made(h.H5Dcreate2(file, dataset.name.c_str(), *h.f32, space, links, plan, H5P_DEFAULT), h.H5Dclose, what);
    if (!dataset.bytes.empty()) check(h.H5Dwrite(made, *h.f32, H5S_ALL, H5S_ALL, H5P_DEFAULT, dataset.bytes.data()));
  }
  for (const Hdf5Texts& attribute : attributes) {
    std::size_t length = 1;  // of all texts, zeros behind the shorter ones
    for (const std::string& text : attribute.texts) length = std::max(length, text.size());
    std::string all;
    for (const std::string& text : attribute.texts) all += text + std::string(length - text.size(), '\0');
    const hsize_t count = attribute.texts.size();
    const Id group(h.H5Gopen2(file, ("/" + attribute.group).c_str(), H5P_DEFAULT), h.H5Gclose, what),
        type(h.H5Tcopy(*h.text), h.H5Tclose, what),
        space(attribute.single ? h.H5Screate(H5S_SCALAR) : h.H5Screate_simple(1, &count, nullptr), h.H5Sclose, what);
    check(h.H5Tset_size(type, length));
    const Id made(h.H5Acreate2(group, attribute.name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), h.H5Aclose, what);
    check(h.H5Awrite(made, type, all.data()));
  }
  check(h.H5Fflush(file, H5F_SCOPE_GLOBAL));
  const ssize_t size = h.H5Fget_file_image(file, nullptr, 0);
  if (size <= 0) broken("HDF5 could not write the weights");
  Bytes image(static_cast<std::size_t>(size));
  if (h.H5Fget_file_image(file, image.data(), image.size()) != size) broken("HDF5 could not write the weights");
  return image;
}

}  // namespace

TensorFile read_hdf5(ByteSpan file, const std::string& where) {
  const std::uint64_t most = free_bytes + ratio * file.size();
  constexpr std::uint64_t headers = std::uint64_t{32} << 20;
  // The library walks in circles in some damaged files; the largest right ones take a second for each 16 MiB that come out.
  const auto seconds = static_cast<unsigned>(10 + file.size() / (std::uint64_t{1} << 20));
  const IsolationLimits limits{.result = most + headers,
                               .memory = 3 * most + file.size() + headers,
                               .seconds = seconds,
                               .wait = std::max(600u, 10 * seconds)};
  Library library;
  Bytes plain = run_isolated([&] { library.open(where); }, [&] { return Hdf5Reader(library, file, where).run(); }, limits,
                             where, ExitCode::weights);
  const Safetensors ordered = Safetensors::parse(std::move(plain), where);
  TensorFile result(where);
  std::vector<TensorEntry> entries = ordered.tensors();
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  constexpr std::size_t digits = 7;
  for (TensorEntry& entry : entries) {
    entry.name.erase(0, digits);
    entry.bytes = result.keep(Bytes(entry.bytes.begin(), entry.bytes.end()));
    result.add(std::move(entry));
  }
  return result;
}

Bytes write_hdf5(std::span<const TensorEntry> datasets, std::span<const Hdf5Texts> attributes) {
  const std::string what = "writing HDF5";
  std::uint64_t bytes = std::uint64_t{64} << 20;  // headers
  for (const TensorEntry& dataset : datasets) bytes += dataset.bytes.size();
  Library library;
  return run_isolated([&] { library.open(what); }, [&] { return encode(library, datasets, attributes, what); },
                      {.result = bytes, .memory = 6 * bytes, .seconds = 600, .wait = 3600}, what, ExitCode::weights);
}

#endif

}  // namespace tessera
