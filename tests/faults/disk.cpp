#include "tests/faults/disk.h"

#include <cstring>
#include <fstream>
#include <functional>
#include <stdexcept>

namespace tessera::tests {
namespace fs = std::filesystem;

std::vector<Recorded> read_record(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Recorded> all;
  std::uint64_t numbers[6];
  while (file.read(reinterpret_cast<char*>(numbers), sizeof numbers)) {
    Recorded one{static_cast<Operation>(numbers[0]), numbers[1], numbers[2], numbers[3], std::string(numbers[4], '\0'),
                 std::string(numbers[5], '\0')};
    file.read(one.name.data(), static_cast<std::streamsize>(one.name.size()));
    file.read(one.data.data(), static_cast<std::streamsize>(one.data.size()));
    all.push_back(std::move(one));
  }
  return all;
}

Disk::Disk(std::uint64_t root) : root_(std::make_shared<Node>(true)) { nodes_[root] = root_; }

Disk::NodePtr Disk::find(std::uint64_t inode) const {
  const auto found = nodes_.find(inode);
  return found == nodes_.end() ? nullptr : found->second;
}

void Disk::become(Entries& entries, const Change& change) {
  for (const auto& [name, node] : change)
    if (node)
      entries[name] = node;
    else
      entries.erase(name);
}

void Disk::change(const NodePtr& folder, Change change) {
  become(folder->entries, change);
  folder->changes.push_back(std::move(change));
}

void Disk::apply(const Recorded& o) {
  const NodePtr node = find(o.first);
  if (!node) return;
  for (auto& seen : node->seen) seen.reset();
  switch (o.operation) {
    case Operation::create:
    case Operation::make_folder: {
      const auto made = std::make_shared<Node>(o.operation == Operation::make_folder);
      nodes_[o.second] = made;  // a number may be used again once its file is gone
      change(node, {{o.name, made}});
      break;
    }
    case Operation::write: {
      const std::size_t end = o.offset + o.data.size();
      if (node->data.size() < end) node->data.resize(end);
      node->data.replace(o.offset, o.data.size(), o.data);
      break;
    }
    case Operation::sync:
      node->synced = node->data;
      node->synced_entries = node->entries;
      node->changes.clear();
      break;
    case Operation::rename: {
      if (o.second != o.first) throw std::runtime_error("a rename from one folder to another is not modelled");
      const std::size_t slash = o.name.find('/');
      const std::string from = o.name.substr(0, slash), to = o.name.substr(slash + 1);
      change(node, {{to, node->entries.at(from)}, {from, nullptr}});
      break;
    }
    case Operation::exchange: {
      const std::size_t slash = o.name.find('/');
      const std::string one = o.name.substr(0, slash), other = o.name.substr(slash + 1);
      change(node, {{one, node->entries.at(other)}, {other, node->entries.at(one)}});
      break;
    }
    case Operation::remove: change(node, {{o.name, nullptr}}); break;
  }
}

Disk::Tree Disk::now() const { return after_cut({}, 0); }

Disk::Tree Disk::after_cut(const Loss& loss, unsigned seed) const {
  std::minstd_rand random(seed + 1);
  const auto data_of = [&](const Node& file) {
    Loss::Data what = loss.data;
    if (what == Loss::Data::any) what = static_cast<Loss::Data>(random() % 4);
    std::shared_ptr<const std::string>& seen = file.seen[static_cast<std::size_t>(what)];
    if (seen) return seen;
    const std::size_t more = file.data.size() > file.synced.size() ? file.data.size() - file.synced.size() : 0;
    std::string data = file.data;
    if (what == Loss::Data::lost) data = file.synced;
    if (what == Loss::Data::torn) data.resize(data.size() - more + more / 2);
    if (what == Loss::Data::zeros) data = file.synced + std::string(more, '\0');
    return seen = std::make_shared<const std::string>(std::move(data));
  };
  Tree tree;
  const std::function<void(const Node&, const std::string&)> walk = [&](const Node& folder, const std::string& path) {
    Entries entries = loss.entries == Loss::Entries::there ? folder.entries : folder.synced_entries;
    const std::size_t kept = loss.entries == Loss::Entries::some ? random() % (folder.changes.size() + 1) : 0;
    for (std::size_t i = 0; i < kept; ++i) become(entries, folder.changes[i]);
    for (const auto& [name, node] : entries) {
      const std::string inside = path.empty() ? name : path + "/" + name;
      tree[inside] = node->folder ? nullptr : data_of(*node);
      if (node->folder) walk(*node, inside);
    }
  };
  walk(*root_, "");
  return tree;
}

void write_tree(const Disk::Tree& tree, const fs::path& folder) {
  for (const auto& [path, data] : tree)
    if (!data)
      fs::create_directories(folder / path);
    else
      std::ofstream(folder / path, std::ios::binary).write(data->data(), static_cast<std::streamsize>(data->size()));
}

}  // namespace tessera::tests
