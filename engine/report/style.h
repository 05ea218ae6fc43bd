// The style sheet of a report.
#pragma once

namespace tessera {

const char* report_style();

}  // namespace tessera
