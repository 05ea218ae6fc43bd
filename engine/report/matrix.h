// A confusion matrix on a page: as a heat map, with the accuracy of each class beside it.
#pragma once

#include <string>

#include "engine/report/confusion.h"

namespace tessera {

// Rows are true classes, columns predictions. Where there are too many classes for a matrix, the commonest confusions as a
// list; the accuracies are there in either case.
std::string confusion_html(const Confusion& confusion);

// One sentence: what is confused most often.
std::string confusion_note(const Confusion& confusion);

}  // namespace tessera
