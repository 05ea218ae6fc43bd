// A disk that is told of a program's operations one by one, and what a power cut may leave of it after any of them.
//
// What was synced is there. Of the rest POSIX promises nothing, and what is seen to happen is modelled: of the entries of a
// folder (files made, renamed, removed) the first few changes since its last sync are there and the later ones are not; the
// bytes of a file since its last sync are there, lost, torn in the middle, or zeros of the right number.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/faults/operations.h"

namespace tessera::tests {

struct Recorded {
  Operation operation = Operation::sync;
  std::uint64_t first = 0, second = 0, offset = 0;
  std::string name, data;
};
std::vector<Recorded> read_record(const std::filesystem::path& file);

// How a power cut treats what was not synced.
struct Loss {
  enum class Entries { there, lost, some } entries = Entries::there;
  enum class Data { there, lost, torn, zeros, any } data = Data::there;
  const char* text = "";
};

class Disk {
 public:
  // `root`: the inode of the folder that is looked at; what happens outside of it is left out.
  explicit Disk(std::uint64_t root);

  void apply(const Recorded& operation);

  // Everything below the root, by path: the bytes of a file, none of a folder.
  using Tree = std::map<std::string, std::shared_ptr<const std::string>>;
  Tree now() const;                                       // as the program sees it
  Tree after_cut(const Loss& loss, unsigned seed) const;  // as it may be found

 private:
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  using Entries = std::map<std::string, NodePtr>;
  using Change = std::vector<std::pair<std::string, NodePtr>>;  // names and what they become; null: nothing
  struct Node {
    explicit Node(bool is_folder) : folder(is_folder) {}
    bool folder;
    std::string data, synced;                            // of a file
    Entries entries, synced_entries;                     // of a folder
    std::vector<Change> changes;                         // of a folder, since its last sync
    mutable std::shared_ptr<const std::string> seen[4];  // what after_cut has made of a file, by Loss::Data
  };

  static void become(Entries& entries, const Change& change);
  void change(const NodePtr& folder, Change change);
  NodePtr find(std::uint64_t inode) const;  // null where it is outside

  std::map<std::uint64_t, NodePtr> nodes_;
  NodePtr root_;
};

// Makes the tree below a folder.
void write_tree(const Disk::Tree& tree, const std::filesystem::path& folder);

}  // namespace tessera::tests
