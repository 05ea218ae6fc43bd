// Comma-separated tables (RFC 4180, lines end in \n): the training history.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/io.h"

namespace tessera {

using CsvRow = std::vector<std::string>;

struct CsvTable {
  CsvRow columns;
  std::vector<CsvRow> rows;
};

std::string csv_number(double value);  // the shortest text that reads back as the same value; "nan", "inf"
std::string to_csv(const CsvTable& table);

// A last line without its line end was cut by a crash: it is left out. Rows of another length are a WeightsError with its
// number.
CsvTable parse_csv(std::string_view text, const std::string& where);
CsvTable read_csv(const std::filesystem::path& path, const SystemCalls& calls = system_calls);

// Begins by replacing the file (atomically) by the table given, so that after a resume it holds exactly the rows of the
// checkpoint; then appends one synced row at a time. A file that was deleted, cut or lengthened meanwhile is replaced by all
// rows. Failing to write is a WeightsError; the row is then written with the next one.
class CsvWriter {
 public:
  CsvWriter(const std::filesystem::path& path, const CsvTable& table, const SystemCalls& calls = system_calls);
  void append(const CsvRow& row);

 private:
  std::filesystem::path path_;
  std::size_t columns_;
  const SystemCalls* calls_;
  std::string written_;  // what the file should hold
};

}  // namespace tessera
