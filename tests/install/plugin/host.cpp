#include <cstdio>

extern "C" long long training_images();
extern "C" long long parameters_of(const char* network);

int main() {
  const long long images = training_images(), parameters = parameters_of("lenet5_relu");
  std::printf("%lld images, %lld parameters\n", images, parameters);
  return images > 0 && parameters == 62006 ? 0 : 1;
}
