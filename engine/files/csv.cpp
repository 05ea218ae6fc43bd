#include "engine/files/csv.h"

#include <charconv>
#include <cmath>

namespace tessera {
namespace {

std::string to_line(const CsvRow& row) {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) line += ',';
    if (row[i].find_first_of(",\"\r\n") == std::string::npos) {
      line += row[i];
      continue;
    }
    line += '"';
    for (const char c : row[i]) {
      if (c == '"') line += '"';
      line += c;
    }
    line += '"';
  }
  return line + '\n';
}

void require_width(const CsvRow& row, std::size_t columns, const std::string& where) {
  if (row.size() != columns)
    throw WeightsError(where + ": " + std::to_string(row.size()) + " values for " + std::to_string(columns) + " columns");
}

// Takes one row off the front of `text`; false, and nothing more to read, where no complete one is left.
bool take_row(std::string_view& text, CsvRow& row) {
  row.clear();
  std::string field;
  bool open = false, quoted = false;  // within quotes now; at any time in this field
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (open) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += text[++i];
      } else {
        open = false;
      }
    } else if (c == '"' && field.empty() && !quoted) {
      open = quoted = true;
    } else if (c == ',' || c == '\n') {
      row.push_back(std::move(field));
      field.clear();
      quoted = false;
      if (c == ',') continue;
      text.remove_prefix(i + 1);
      return true;
    } else if (c != '\r' || i + 1 == text.size() || text[i + 1] != '\n') {  // a line may end in \r\n too
      field += c;
    }
  }
  text = {};
  return false;
}

}  // namespace

std::string csv_number(double value) {
  if (std::isnan(value)) return "nan";  // to_chars would tell -nan from nan
  char text[32];
  const auto result = std::to_chars(std::begin(text), std::end(text), value);
  return std::string(text, result.ptr);
}

std::string to_csv(const CsvTable& table) {
  std::string text = to_line(table.columns);
  for (const CsvRow& row : table.rows) {
    require_width(row, table.columns.size(), "[csv] row to write");
    text += to_line(row);
  }
  return text;
}

CsvTable parse_csv(std::string_view text, const std::string& where) {
  CsvTable table;
  if (!take_row(text, table.columns)) throw WeightsError(where + ": line 1: no complete line of column names");
  CsvRow row;
  while (take_row(text, row)) {
    require_width(row, table.columns.size(), where + ": row " + std::to_string(table.rows.size() + 1));
    table.rows.push_back(row);
  }
  return table;
}

CsvTable read_csv(const std::filesystem::path& path, const SystemCalls& calls) {
  constexpr std::uint64_t limit = std::uint64_t{64} << 20;
  const Bytes bytes = read_file(path, limit, ExitCode::weights, calls);
  return parse_csv(text_of(bytes), shown(path));
}

CsvWriter::CsvWriter(const std::filesystem::path& path, const CsvTable& table, const SystemCalls& calls)
    : path_(path), columns_(table.columns.size()), calls_(&calls), written_(to_csv(table)) {
  write_file_atomically(path_, bytes_of(written_), ExitCode::weights, calls);
}

void CsvWriter::append(const CsvRow& row) {
  require_width(row, columns_, shown(path_));
  const std::string line = to_line(row);
  const std::size_t before = written_.size();
  written_ += line;
  std::error_code missing;
  if (std::filesystem::file_size(path_, missing) != before || missing)
    return write_file_atomically(path_, bytes_of(written_), ExitCode::weights, *calls_);
  File file(path_, File::Mode::append, ExitCode::weights, *calls_);
  file.write(bytes_of(line));
  file.sync();
  file.close();
}

}  // namespace tessera
