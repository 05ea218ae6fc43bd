// Background: a thread that does one job after another, in the order in which they came.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace tessera {

class Background {
 public:
  Background();
  ~Background();  // ends the job under way, drops the others
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void post(std::function<void()> job);
  // Until all jobs are done. What one of them threw is thrown here, once; those behind it were dropped.
  void wait();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::exception_ptr failure_;
  bool busy_ = false, over_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace tessera
