#include "engine/parallel/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "engine/core/error.h"

namespace tessera {
namespace {

constexpr std::size_t longest_text = 1 << 16;

struct Header {
  std::uint32_t kind, length;
  std::int32_t code;
};

int milliseconds(double seconds) { return static_cast<int>(seconds * 1000); }

bool wait_for(int descriptor, short event, double seconds) {
  pollfd one{descriptor, event, 0};
  int ready = 0;
  do ready = ::poll(&one, 1, milliseconds(seconds));
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

[[noreturn]] void fail_with_errno(const char* what) {
  throw Error(ExitCode::failure,
              std::string("ranks cannot watch each other: ") + what + ": " + std::generic_category().message(errno));
}

}  // namespace

Connection::Connection(int descriptor) : descriptor_(descriptor) {
  if (descriptor < 0) return;
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
Connection::~Connection() {
  if (descriptor_ >= 0) ::close(descriptor_);
}
Connection::Connection(Connection&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), read_(std::move(other.read_)) {}
Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(read_, other.read_);
  return *this;
}

bool Connection::send(const Message& message) {
  const std::string text = message.text.substr(0, longest_text);
  const Header header{static_cast<std::uint32_t>(message.kind), static_cast<std::uint32_t>(text.size()), message.code};
  const std::string bytes = std::string(reinterpret_cast<const char*>(&header), sizeof header) + text;
  for (std::size_t sent = 0; sent < bytes.size();) {
    if (!wait_for(descriptor_, POLLOUT, 1)) return false;
    const ssize_t n = ::send(descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  return true;
}

bool Connection::receive(std::vector<Message>& messages) {
  char bytes[4096];
  ssize_t n = 0;
  while ((n = ::recv(descriptor_, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) read_.append(bytes, static_cast<std::size_t>(n));
  const bool open = n < 0 && (errno == EAGAIN || errno == EINTR);
  for (Header header; read_.size() >= sizeof header;) {
    std::memcpy(&header, read_.data(), sizeof header);
    if (header.length > longest_text || header.kind > static_cast<std::uint32_t>(MessageKind::verdict)) return false;
    if (read_.size() < sizeof header + header.length) break;
    messages.push_back({static_cast<MessageKind>(header.kind), header.code, read_.substr(sizeof header, header.length)});
    read_.erase(0, sizeof header + header.length);
  }
  return open;
}

std::optional<Message> Connection::wait(double seconds) {
  std::vector<Message> messages;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (messages.empty()) {
    const double left = std::chrono::duration<double>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0 || !wait_for(descriptor_, POLLIN, left)) return std::nullopt;
    if (!receive(messages)) break;
  }
  if (messages.empty()) return std::nullopt;
  return messages.front();
}

Listener::Listener() {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  socklen_t size = sizeof any;
  auto* const address = reinterpret_cast<sockaddr*>(&any);
  if (descriptor_ < 0 || ::bind(descriptor_, address, size) != 0 || ::listen(descriptor_, SOMAXCONN) != 0 ||
      ::getsockname(descriptor_, address, &size) != 0)
    fail_with_errno("no port to listen on");
  port_ = ntohs(any.sin_port);
}

Listener::~Listener() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Listener::Addresses Listener::addresses() const {
  Addresses found;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) fail_with_errno("no list of network addresses");
  for (const ifaddrs* at = first; at; at = at->ifa_next) {
    if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET || (at->ifa_flags & IFF_UP) == 0) continue;
    char text[INET_ADDRSTRLEN] = "";
    const auto* address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
    if (!::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text)) continue;
    ((at->ifa_flags & IFF_LOOPBACK) != 0 ? found.loopback : found.others) +=
        std::string(text) + " " + std::to_string(port_) + "\n";
  }
  ::freeifaddrs(first);
  return found;
}

std::optional<Connection> Listener::accept(double seconds) const {
  if (!wait_for(descriptor_, POLLIN, seconds)) return std::nullopt;
  const int accepted = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
  if (accepted < 0) return std::nullopt;
  return Connection(accepted);
}

std::optional<Connection> connect_to(const std::string& address, double seconds) {
  const std::size_t blank = address.find(' ');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  if (blank == std::string::npos || ::inet_pton(AF_INET, address.substr(0, blank).c_str(), &to.sin_addr) != 1)
    return std::nullopt;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(blank + 1))));
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return std::nullopt;
  Connection connection(descriptor);
  int error = 0;
  socklen_t size = sizeof error;
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
      (errno != EINPROGRESS || !wait_for(descriptor, POLLOUT, seconds) ||
       ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0))
    return std::nullopt;
  return connection;
}

}  // namespace tessera
