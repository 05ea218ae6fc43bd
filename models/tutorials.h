// Recipes that several networks of one tutorial share.
#pragma once

#include "engine/train/recipe.h"

namespace tessera {

// The tf.keras tutorial's: Adam in Keras' form, five epochs, the test set for validation.
inline Recipe tf_keras_recipe(const char* id) {
  return {.id = id,
          .validation = Validation::test_set,
          .batch_size = 32,
          .epochs = 5,
          .optimizer = AdamKeras::Options{.learning_rate = 1e-3},
          .best = BestRule::lowest_validation_loss};
}

// Paddle's: an evaluation every 3,000 steps, a table row for each.
inline Recipe paddle_resnet_recipe(const char* id) {
  return {.id = id,
          .normalization = Normalization::cifar10,
          .validation = Validation::fifth_batch,
          .batch_size = 64,
          .epochs = 30,
          .evaluate_every_steps = 3000,
          .optimizer = Adam::Options{.learning_rate = 1e-3, .weight_decay = 0.005},
          .best = BestRule::highest_validation_accuracy,
          .test_best = true,
          .loss_average = LossAverage::by_batches,
          .log_every_steps = 3000,
          .seed = 100};
}

}  // namespace tessera
