// Messages over TCP connections, and how two processes find each other. Internal to the watch.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

enum class MessageKind : std::uint32_t { hello, beat, fault, done, end, verdict };

struct Message {
  MessageKind kind = MessageKind::beat;
  std::int32_t code = 0;  // exit code; of hello: the rank
  std::string text = {};
};

// A connected socket. What is sent never waits for a reader longer than a second: one that does not read is lost.
class Connection {
 public:
  explicit Connection(int descriptor = -1);
  ~Connection();
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;

  int descriptor() const { return descriptor_; }
  bool send(const Message& message);  // false: the connection is gone
  // What has come, without waiting; false: the connection is closed, or talks nonsense.
  bool receive(std::vector<Message>& messages);
  // Waits for one message; none in that time, or a closed connection: none.
  std::optional<Message> wait(double seconds);

 private:
  int descriptor_;
  std::string read_;
};

class Listener {
 public:
  Listener();  // on any free port of all addresses; Error where that cannot be had
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // Where others may try, "10.0.0.5 41000\n10.1.0.5 41000\n"; the loopback's are for those on this host.
  struct Addresses {
    std::string loopback, others;
  };
  Addresses addresses() const;
  std::optional<Connection> accept(double seconds) const;

 private:
  int descriptor_ = -1;
  std::uint16_t port_ = 0;
};

// To one line of such addresses; none where nobody answers in that time.
std::optional<Connection> connect_to(const std::string& address, double seconds);

}  // namespace tessera
