// Comparing what was measured with what should have come out.
#pragma once

#include <string>

#include "tests/networks/measure.h"

namespace tessera::golden {

struct Tolerance {
  double logits;          // largest error, of the largest logit
  double loss;            // relative
  double gradient;        // rms error of a tensor, of the tensor's rms …
  double gradient_floor;  // … plus this times the median over the tensors of their rms (some are zero but for rounding)
  double statistics;      // largest error, of the tensor's largest value
};
Tolerance tolerance(const NetworkTest& test, DType dtype);

double rms(const std::vector<double>& values);

// Both fail the running test with what differs, where and by how much.
void compare(const Measured& measured, const Measured& expected, const Tolerance& tolerance);
// With the extract of golden/<id>.json.
void compare_with_stored(const Measured& measured, const std::string& id, const Tolerance& tolerance);

// Where the networks are run: every backend of this build that has a device, in its ways of computing.
struct Setting {
  std::string name;
  DeviceRequest request;
  DType dtype;
};
std::vector<Setting> settings(const NetworkTest& test);

}  // namespace tessera::golden
