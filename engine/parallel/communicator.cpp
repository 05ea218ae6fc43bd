#include "engine/parallel/communicator.h"

#include <algorithm>

namespace tessera {
namespace {

template <class Container>
void broadcast_sized(Communicator& ranks, Container& bytes) {
  std::uint64_t size = bytes.size();
  broadcast(ranks, size);
  bytes.resize(size);
  ranks.broadcast(std::as_writable_bytes(std::span(bytes)), 0);
}

}  // namespace

void Alone::all_gather(ConstMemory mine, Memory all) { std::copy(mine.begin(), mine.end(), all.begin()); }

std::vector<std::string> all_gather(Communicator& ranks, const std::string& mine) {
  const std::vector<std::uint64_t> sizes = all_gather(ranks, std::uint64_t{mine.size()});
  const std::size_t longest = *std::max_element(sizes.begin(), sizes.end());
  std::string padded = mine, all(longest * sizes.size(), '\0');
  padded.resize(longest);
  if (longest > 0) ranks.all_gather(std::as_bytes(std::span(padded)), std::as_writable_bytes(std::span(all)));
  std::vector<std::string> texts;
  for (std::size_t r = 0; r < sizes.size(); ++r) texts.push_back(all.substr(r * longest, sizes[r]));
  return texts;
}

void broadcast(Communicator& ranks, std::string& text) { broadcast_sized(ranks, text); }
void broadcast(Communicator& ranks, std::vector<std::byte>& bytes) { broadcast_sized(ranks, bytes); }

bool any(Communicator& ranks, bool own) {
  const std::vector<char> all = all_gather(ranks, static_cast<char>(own));
  return std::any_of(all.begin(), all.end(), [](char yes) { return yes != 0; });
}

}  // namespace tessera
