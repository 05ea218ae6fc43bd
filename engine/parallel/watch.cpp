#include "engine/parallel/watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <random>
#include <thread>

#include "engine/core/error.h"
#include "engine/parallel/wire.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

constexpr double to_meet = 20;       // seconds to connect in
constexpr double to_take_leave = 2;  // seconds that others get to end by themselves
constexpr double rank_1_speaks = 1;  // seconds that it gets to say that rank 0 is gone

struct Peer {
  Connection connection;
  std::string host;
  Clock::time_point heard = Clock::now();
  std::optional<int> done = {};
};

std::string silent_text(const std::string& who, double seconds) {
  return who + " has not been heard of for " + std::to_string(static_cast<int>(seconds)) +
         " s: it hangs, or the network to it is gone; go on with --resume from the last checkpoint";
}
std::string dead_text(const std::string& who) { return who + " has died; go on with --resume from the last checkpoint"; }

}  // namespace

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

class Watch::Implementation {
 public:
  Implementation(Communicator& ranks, EndAll end_all, const WatchTimes& times)
      : end_all_(std::move(end_all)), times_(times), rank_(ranks.rank()), size_(ranks.size()) {
    meet(ranks);
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { watch(); });
  }

  ~Implementation() {
    tell({}, true);
    thread_.join();
    ::close(wake_);
  }

  [[noreturn]] void fail(int code, const std::string& text) {
    tell({MessageKind::fault, code, text});
    for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));  // the watch ends the process
  }

  int finish(int code) {
    tell({MessageKind::done, code});
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return agreed_.has_value(); });
    return *agreed_;
  }

 private:
  std::string named(int rank) const {
    return "rank " + std::to_string(rank) + " on " +
           (rank == rank_ ? host_name() : peers_[static_cast<std::size_t>(rank_ == 0 ? rank - 1 : 0)].host);
  }

  // What only the ranks of this run know tells them from strangers: the others bring one number, and rank 0 answers with
  // another, which a service that sends back what it hears does not have.
  struct Keys {
    std::uint64_t question, answer;
  };

  // Connects rank 0 with everybody.
  void meet(Communicator& ranks) {
    std::optional<Listener> listener;
    Listener::Addresses addresses;
    std::string root = host_name();
    Keys keys{};
    if (rank_ == 0) {
      listener.emplace();
      addresses = listener->addresses();
      std::random_device random;
      for (std::uint64_t* key : {&keys.question, &keys.answer}) *key = (std::uint64_t{random()} << 32) | random();
    }
    broadcast(ranks, root);
    broadcast(ranks, addresses.loopback);
    broadcast(ranks, addresses.others);
    broadcast(ranks, keys);
    if (rank_ == 0)
      wait_for_all(*listener, keys);
    else  // elsewhere the loopback leads to another host
      go_to_root((root == host_name() ? addresses.loopback : "") + addresses.others, keys);
    const std::vector<std::string> hosts = all_gather(ranks, host_name());
    for (std::size_t i = 0; i < peers_.size(); ++i) peers_[i].host = hosts[rank_ == 0 ? i + 1 : 0];
  }

  void wait_for_all(const Listener& listener, const Keys& keys) {
    const Clock::time_point start = Clock::now();
    std::vector<Connection> found(static_cast<std::size_t>(size_ - 1));
    for (int missing = size_ - 1; missing > 0;) {
      const double left = to_meet - since(start);
      if (left <= 0)
        throw Error(ExitCode::failure, "ranks cannot watch each other: " + std::to_string(missing) +
                                           " of them did not reach rank 0 on " + host_name() + " by TCP");
      std::optional<Connection> connection = listener.accept(left);
      if (!connection) continue;
      const std::optional<Message> hello = connection->wait(1);
      if (!hello || hello->kind != MessageKind::hello || hello->text != std::to_string(keys.question) || hello->code < 1 ||
          hello->code >= size_)
        continue;
      Connection& place = found[static_cast<std::size_t>(hello->code - 1)];
      if (place.descriptor() >= 0 || !connection->send({MessageKind::hello, 0, std::to_string(keys.answer)})) continue;
      place = std::move(*connection);
      --missing;
    }
    for (Connection& connection : found) peers_.push_back({std::move(connection), ""});
  }

  void go_to_root(const std::string& addresses, const Keys& keys) {
    const Clock::time_point start = Clock::now();
    do {
      for (std::size_t at = 0, end; at < addresses.size(); at = end + 1) {
        end = addresses.find('\n', at);
        std::optional<Connection> connection = connect_to(addresses.substr(at, end - at), 3);
        if (!connection || !connection->send({MessageKind::hello, rank_, std::to_string(keys.question)})) continue;
        const std::optional<Message> answer = connection->wait(3);
        if (!answer || answer->kind != MessageKind::hello || answer->code != 0 ||
            answer->text != std::to_string(keys.answer))
          continue;
        peers_.push_back({std::move(*connection), ""});
        return;
      }
    } while (since(start) < to_meet);
    std::string list = addresses;
    std::replace(list.begin(), list.end(), '\n', ',');
    throw Error(ExitCode::failure, "ranks cannot watch each other: rank " + std::to_string(rank_) + " on " + host_name() +
                                       " reaches rank 0 at none of its addresses (" + list + ")");
  }

  // From the process's own threads to the watch.
  void tell(const Message& message, bool leave = false) {
    {
      const std::lock_guard lock(mutex_);
      if (leave)
        leaving_ = true;
      else
        told_.push_back(message);
    }
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  }

  void watch() {
    Clock::time_point beaten{};
    for (Clock::time_point round = Clock::now();;) {
      std::vector<pollfd> polled = {{wake_, POLLIN, 0}};
      for (const Peer& peer : peers_) polled.push_back({peer.connection.descriptor(), POLLIN, 0});
      ::poll(polled.data(), polled.size(), static_cast<int>(times_.beat * 500));
      // Where this process itself was stopped, the others' words are still to be read.
      if (since(round) > times_.silence / 4)
        for (Peer& peer : peers_) peer.heard = Clock::now();
      if (since(round) > times_.silence - 2 * times_.beat) woken_ = Clock::now();
      round = Clock::now();
      if (polled[0].revents != 0) {
        std::uint64_t ignored = 0;
        (void)!::read(wake_, &ignored, sizeof ignored);
      }
      if (heed_own()) return;
      if (since(beaten) >= times_.beat) {
        for (Peer& peer : peers_) peer.connection.send({});  // one that is gone is found below
        beaten = Clock::now();
      }
      for (std::size_t i = 0; i < peers_.size(); ++i) heed(peers_[i], rank_ == 0 ? static_cast<int>(i) + 1 : 0);
      if (rank_ == 0) agree();
    }
  }

  // True: it is over.
  bool heed_own() {
    std::vector<Message> told;
    {
      const std::lock_guard lock(mutex_);
      if (leaving_) return true;
      told.swap(told_);
    }
    for (const Message& message : told) {
      if (message.kind == MessageKind::done) own_done_ = message.code, done_since_ = Clock::now();
      if (rank_ != 0)
        peers_[0].connection.send(message);
      else if (message.kind == MessageKind::fault)
        verdict(message.code, named(0) + ": " + message.text);
    }
    return false;
  }

  void heed(Peer& peer, int rank) {
    if (peer.connection.descriptor() < 0) return;
    std::vector<Message> messages;
    const bool open = peer.connection.receive(messages);
    if (!messages.empty()) peer.heard = Clock::now();
    for (const Message& message : messages) {
      if (message.kind == MessageKind::fault) verdict(message.code, named(rank) + ": " + message.text);
      if (message.kind == MessageKind::done) peer.done = message.code, done_since_ = Clock::now();
      if (message.kind == MessageKind::verdict) {
        if (end_all_) std::this_thread::sleep_for(std::chrono::duration<double>(to_take_leave));  // it is about to
        ::_exit(message.code);
      }
      if (message.kind == MessageKind::end) return set_agreed(message.code);
    }
    if (agreed()) return;
    // Who ended while this process was stopped has said why: it is the one that hung (a launcher wakes it to end it).
    if (!open && woken_ && since(*woken_) < 2 * times_.beat) ::_exit(static_cast<int>(ExitCode::failure));
    if (!open) verdict(static_cast<int>(ExitCode::failure), dead_text(named(rank)));
    if (since(peer.heard) > times_.silence)
      verdict(static_cast<int>(ExitCode::failure), silent_text(named(rank), times_.silence));
  }

  // Rank 0: are all done?
  void agree() {
    if (agreed()) return;
    int code = own_done_.value_or(0), missing = own_done_ ? -1 : 0;
    bool all = own_done_.has_value();
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      code = std::max(code, peers_[i].done.value_or(0));
      if (!peers_[i].done) all = false, missing = static_cast<int>(i) + 1;
    }
    if (all) {
      for (Peer& peer : peers_) peer.connection.send({MessageKind::end, code});
      return set_agreed(code);
    }
    // Who was stopped with the others is about to end. Not so rank 0, which saves: that takes the time that it takes.
    if (own_done_ && code != 0 && since(done_since_) > times_.silence / 4)
      verdict(code, named(missing) + " does not end, though others have");
  }

  // Ends the process; where this is rank 0, the others first.
  [[noreturn]] void verdict(int code, const std::string& text) {
    if (rank_ > 1) std::this_thread::sleep_for(std::chrono::duration<double>(rank_1_speaks));
    if (rank_ <= 1) std::fprintf(stderr, "error: %s\n", escaped(text, Keep::lines).c_str());
    if (rank_ == 0) {
      for (Peer& peer : peers_)
        if (!peer.connection.send({MessageKind::verdict, code, text})) peer.connection = Connection();
      if (end_all_) end_all_(code);
      const Clock::time_point start = Clock::now();
      for (Peer& peer : peers_)
        while (peer.connection.descriptor() >= 0 && since(start) < to_take_leave) {
          std::vector<Message> ignored;
          if (!peer.connection.receive(ignored)) peer.connection = Connection();
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    ::_exit(code);
  }

  bool agreed() {
    const std::lock_guard lock(mutex_);
    return agreed_.has_value();
  }
  void set_agreed(int code) {
    {
      const std::lock_guard lock(mutex_);
      agreed_ = code;
    }
    changed_.notify_all();
  }

  const EndAll end_all_;
  const WatchTimes times_;
  const int rank_, size_;
  std::vector<Peer> peers_;  // of rank 0 all others, of the others rank 0
  int wake_ = -1;
  std::thread thread_;

  std::optional<int> own_done_;  // the thread's alone
  Clock::time_point done_since_;
  std::optional<Clock::time_point> woken_;  // after a stop for which others give up on this process

  std::mutex mutex_;  // for what follows
  std::condition_variable changed_;
  std::vector<Message> told_;
  bool leaving_ = false;
  std::optional<int> agreed_;
};

Watch::Watch(Communicator& ranks, EndAll end_all, const WatchTimes& times)
    : implementation_(std::make_unique<Implementation>(ranks, std::move(end_all), times)) {}
Watch::~Watch() = default;
void Watch::fail(int code, const std::string& text) { implementation_->fail(code, text); }
int Watch::finish(int code) { return implementation_->finish(code); }

}  // namespace tessera
