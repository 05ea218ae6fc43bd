#include "engine/parallel/mpi_communicator.h"

#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "engine/core/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_at_once = std::size_t{1} << 30;  // MPI counts in int

// Where overlays lie: in the build folder, and in an installation.
std::vector<fs::path> folders() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::vector<fs::path> all = {program, program / "../lib"};
#ifdef TESSERA_LIBRARY_FOLDER
  all.push_back(program / ".." / TESSERA_LIBRARY_FOLDER);
#endif
  return all;
}

std::string linker_error() {
  const char* text = dlerror();
  return text ? text : "no reason given";
}

// Its MPI brings plug-ins that look for the library's symbols: they must be everybody's.
void* open(const std::string& file) { return dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL); }

void* open_overlay(const Launch& launch) {
  const std::string advice = "; start without " + std::string(name_of(launch.launcher)) +
                             ", or build Tessera where its MPI is installed (Debian: libopenmpi-dev or libmpich-dev)";
  if (const char* named = std::getenv("TESSERA_MPI")) {
    if (void* handle = open(named)) return handle;
    throw Error(ExitCode::failure,
                std::string("TESSERA_MPI names ") + printable(named) + ", which cannot be opened: " + linker_error());
  }
  std::vector<std::string> names = {"libtessera_mpi_openmpi.so", "libtessera_mpi_mpich.so"};
  if (launch.launcher == Launcher::mpich) std::swap(names[0], names[1]);
  if (launch.launcher != Launcher::slurm) names.resize(1);  // another MPI's ranks would not see each other
  std::string reason;
  for (const std::string& name : names)
    for (const fs::path& folder : folders()) {
      std::error_code ignored;
      if (!fs::exists(folder / name, ignored)) continue;
      if (void* handle = open((folder / name).string())) return handle;
      reason = linker_error();
    }
  throw Error(ExitCode::failure, std::string(name_of(launch.launcher)) + " started " + std::to_string(launch.size) +
                                     " ranks, but this build has no " + names[0] +
                                     (reason.empty() ? "" : " that can be opened (" + reason + ")") + advice);
}

}  // namespace

Mpi::Mpi(const Launch& launch) {
  void* const overlay = open_overlay(launch);  // never closed: MPI may leave threads and handlers behind
  const auto table = reinterpret_cast<TesseraMpiTable>(dlsym(overlay, "tessera_mpi"));
  table_ = table ? table() : nullptr;
  if (!table_ || table_->version != tessera_mpi_version)
    throw Error(ExitCode::failure,
                "the MPI overlay beside this program is of another version of Tessera: install both again");
  require(table_->start(&rank_, &size_), "starting it");
  if (rank_ != launch.rank || size_ != launch.size)
    throw Error(ExitCode::failure, std::string(name_of(launch.launcher)) + " started rank " + std::to_string(launch.rank) +
                                       " of " + std::to_string(launch.size) + ", but " + library() + " sees rank " +
                                       std::to_string(rank_) + " of " + std::to_string(size_) +
                                       ": use the launcher of that library (with srun: --mpi=pmix, or pmi2)");
}

std::string Mpi::library() const {
  char text[256] = "";
  table_->library(text, sizeof text);
  const std::string all = text;
  return all.substr(0, all.find_first_of(",\n"));
}

void Mpi::finish() {
  const std::lock_guard lock(one_at_a_time_);
  require(table_->finish(), "ending it");
}

std::function<void(int)> Mpi::end_all() {
  if (!table_->abort) return {};
  return [this](int code) {
    std::unique_lock lock(one_at_a_time_, std::defer_lock);  // calls are short; one that hangs must not put off the end
    for (int patience = 1000; patience > 0 && !lock.try_lock(); --patience)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    table_->abort(code);
  };
}

void Mpi::require(int error, const char* what) const {
  if (error == 0) return;
  char text[512] = "";
  table_->text(error, text, sizeof text);
  throw Error(ExitCode::failure, std::string("MPI: ") + what + " failed: " + text);
}

void MpiCommunicator::wait(std::vector<void*>& requests, const char* what) const {
  using Clock = std::chrono::steady_clock;
  const std::chrono::milliseconds patience{lane_ == 0 ? 100 : 0};
  const std::chrono::microseconds nap{lane_ == 0 ? 200 : 50};
  const Clock::time_point start = Clock::now();
  while (!requests.empty()) {
    {
      const std::lock_guard lock(mpi_.one_at_a_time_);
      std::erase_if(requests, [&](void*& request) {
        int done = 0;
        mpi_.require(mpi_.table_->test(&request, &done), what);
        return done != 0;
      });
    }
    if (requests.empty()) return;
    if (cancelled_) throw Error(ExitCode::failure, std::string("MPI: ") + what + " was cancelled");
    if (Clock::now() - start < patience)
      sched_yield();
    else
      std::this_thread::sleep_for(nap);
  }
}

void MpiCommunicator::all_gather(ConstMemory mine, Memory all) {
  if (mine.size() > most_at_once) throw Error(ExitCode::failure, "MPI: more than 1 GiB to gather at once");
  std::vector<void*> requests(1);
  {
    const std::lock_guard lock(mpi_.one_at_a_time_);
    mpi_.require(mpi_.table_->all_gather(lane_, mine.data(), all.data(), static_cast<int>(mine.size()), requests.data()),
                 "gathering");
  }
  wait(requests, "gathering");
}

void MpiCommunicator::broadcast(Memory bytes, int root) {
  for (std::size_t at = 0; at < bytes.size(); at += most_at_once) {
    const Memory piece = bytes.subspan(at, std::min(most_at_once, bytes.size() - at));
    std::vector<void*> requests(1);
    {
      const std::lock_guard lock(mpi_.one_at_a_time_);
      mpi_.require(mpi_.table_->broadcast(lane_, piece.data(), static_cast<int>(piece.size()), root, requests.data()),
                   "broadcasting");
    }
    wait(requests, "broadcasting");
  }
}

void MpiCommunicator::exchange(std::span<const ConstMemory> to, std::span<const Memory> from) {
  std::vector<void*> requests;
  {
    const std::lock_guard lock(mpi_.one_at_a_time_);
    const auto begin = [&](int rank, auto memory, auto* function) {
      for (std::size_t at = 0; at < memory.size(); at += most_at_once) {
        const auto piece = memory.subspan(at, std::min(most_at_once, memory.size() - at));
        void* request = nullptr;
        mpi_.require(function(lane_, piece.data(), static_cast<int>(piece.size()), rank, &request), "exchanging");
        requests.push_back(request);
      }
    };
    // No two begin with the same one; a power of two of ranks are paired, and then neither do those of one host with the
    // same one of another host (bench/scaling).
    const bool paired = std::has_single_bit(static_cast<unsigned>(size()));
    for (int k = 1; k < size(); ++k) {
      const int receive_from = paired ? rank() ^ k : (rank() + size() - k) % size(),
                send_to = paired ? receive_from : (rank() + k) % size();
      begin(receive_from, from[static_cast<std::size_t>(receive_from)], mpi_.table_->receive);
      begin(send_to, to[static_cast<std::size_t>(send_to)], mpi_.table_->send);
    }
  }
  wait(requests, "exchanging");
}

}  // namespace tessera
