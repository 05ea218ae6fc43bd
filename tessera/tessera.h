// Tessera in one header, for programs that use it: #include <tessera/tessera.h>, link Tessera::models.
//
// A network is a struct of layers (Network: visit, forward); a Model is one with its parameters on a device. Its own loop
// trains it by a loss of ops, backward() and an optimiser's step(); the ready one is train(). Examples: tests/install/outside.
#pragma once

#include "engine/data/open.h"
#include "engine/nn/conv_norm.h"
#include "engine/nn/layers.h"
#include "engine/nn/model.h"
#include "engine/nn/network.h"
#include "engine/nn/residual.h"
#include "engine/ops/arithmetic.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/loss.h"
#include "engine/optim/optimizers.h"
#include "engine/train/train.h"
#include "models/catalogue.h"
