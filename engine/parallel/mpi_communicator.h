// Ranks that MPI connects. The program is built without it: an overlay (mpi_table.h) is opened when a launcher of MPI's has
// started the process.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "engine/parallel/communicator.h"
#include "engine/parallel/launch.h"
#include "engine/parallel/mpi_table.h"

namespace tessera {

// MPI, started in this process; ended where finish() is called, once, and then for good.
class Mpi {
 public:
  // Opens the overlay that TESSERA_MPI names, else the launcher's, beside this program or in its installation's library
  // folder, and starts MPI. Error: there is none, it cannot be opened, or its MPI is not the launcher's and sees another
  // number of ranks.
  explicit Mpi(const Launch& launch);

  int rank() const { return rank_; }
  int size() const { return size_; }
  std::string library() const;  // "Open MPI v4.1.4"
  void finish();                // all ranks
  // What ends all ranks with a code of theirs; empty where a launcher takes the code of the rank that ends first.
  std::function<void(int code)> end_all();

 private:
  friend class MpiCommunicator;
  void require(int error, const char* what) const;

  const TesseraMpi* table_ = nullptr;
  std::mutex one_at_a_time_;
  int rank_ = 0, size_ = 1;
};

// Waiting takes little of the processor: it yields, and after a tenth of a second it sleeps; the way aside sleeps at once, since
// somebody computes meanwhile.
class MpiCommunicator : public Communicator {
 public:
  explicit MpiCommunicator(Mpi& mpi) : MpiCommunicator(mpi, 0) {}

  int rank() const override { return mpi_.rank(); }
  int size() const override { return mpi_.size(); }
  void all_gather(ConstMemory mine, Memory all) override;
  void broadcast(Memory bytes, int root) override;
  void exchange(std::span<const ConstMemory> to, std::span<const Memory> from) override;
  std::unique_ptr<Communicator> aside() override { return std::unique_ptr<Communicator>(new MpiCommunicator(mpi_, 1)); }
  void cancel() override { cancelled_ = true; }

 private:
  MpiCommunicator(Mpi& mpi, int lane) : mpi_(mpi), lane_(lane) {}
  void wait(std::vector<void*>& requests, const char* what) const;

  Mpi& mpi_;
  int lane_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace tessera
