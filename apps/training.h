// What train and finetune have in common once they know what to train.
#pragma once

#include <string>

#include "apps/ranks.h"
#include "apps/signals.h"
#include "engine/run/run.h"

namespace tessera {

// A new folder "runs/<name>-<time>", or with a number behind it where that exists already.
std::filesystem::path new_run_folder(const std::string& name);

// DATA or WEIGHTS as a run folder remembers it: it may be resumed from elsewhere.
std::string remembered_path(const std::string& given);

// What it is to be trained with, as its network takes images. UsageError: its folder would lie among these images.
Dataset open_for(const RunRequest& request, const SignalFlags& signals, const Console& console);

// Trains and prints the results. `folder_name` names the run where request.folder is empty; `program` is how the run is
// gone on with: "train_resnet18". `profile`: the trace's file, or none. Returns the exit code.
int run_and_report(RunRequest request, Dataset&& dataset, const Ranks& ranks, const Console& console, SignalFlags& signals,
                   const std::string& folder_name, const std::string& program, const std::string& profile = {});

// read_run_config, by rank 0 for all.
RunConfig read_run_config(const std::filesystem::path& folder, const Ranks& ranks);

// --find-lr: trains nothing, but says which learning rate to try.
int find_rate_and_report(RunRequest request, Dataset&& dataset, const Console& console, SignalFlags& signals);

}  // namespace tessera
