#include "engine/files/csv.h"

#include <limits>

#include "tests/catch.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("numbers read back as the same value", "[csv]") {
  CHECK(csv_number(0.1) == "0.1");
  CHECK(csv_number(3) == "3");
  CHECK(csv_number(-std::numeric_limits<double>::quiet_NaN()) == "nan");
  CHECK(csv_number(std::numeric_limits<double>::infinity()) == "inf");
  for (const double value : {1.0 / 3, 1e-300, 123456789.123456789}) CHECK(std::stod(csv_number(value)) == value);
}

TEST_CASE("a table survives the way through text", "[csv]") {
  const CsvTable table{{"epoch", "a,b", "say \"hi\""}, {{"1", "two\nlines", ""}, {"", "\"", ","}}};
  const std::string text = to_csv(table);
  CHECK(text == "epoch,\"a,b\",\"say \"\"hi\"\"\"\n1,\"two\nlines\",\n,\"\"\"\",\",\"\n");
  const CsvTable back = parse_csv(text, "test");
  CHECK(back.columns == table.columns);
  CHECK(back.rows == table.rows);
}

TEST_CASE("a cut last line is left out, everything else is checked", "[csv]") {
  const std::string text = "a,b\n1,2\n3,4\n";
  for (std::size_t length = 0; length <= text.size(); ++length) {
    const std::string cut = text.substr(0, length);
    INFO(cut);
    if (length < 4) {
      CHECK(error_of<WeightsError>([&] { parse_csv(cut, "h.csv"); }) == "h.csv: line 1: no complete line of column names");
    } else {
      CHECK(parse_csv(cut, "h.csv").rows.size() == (length < 8 ? 0 : length < 12 ? 1 : 2));
    }
  }
  CHECK(error_of<WeightsError>([] { parse_csv("a,b\n1,2\n3\n", "h.csv"); }) == "h.csv: row 2: 1 values for 2 columns");
  CHECK(parse_csv("a,b\r\n1,2\r\n", "h.csv").rows[0] == CsvRow{"1", "2"});
}

TEST_CASE("a field may end in a carriage return, a line in carriage return and line end", "[csv]") {
  const CsvTable table{{"a", "b\r"}, {{"1\r", "2\r"}, {"\r", "\r\n"}, {"x\ry", "z"}}};
  const CsvTable back = parse_csv(to_csv(table), "test");
  CHECK(back.columns == table.columns);
  CHECK(back.rows == table.rows);
  CHECK(parse_csv("a,b\r\n\"1\r\",\"2\r\"\r\n", "h.csv").rows[0] == CsvRow{"1\r", "2\r"});
}

TEST_CASE("a history that was deleted or changed meanwhile comes back whole", "[csv]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "history.csv";
  CsvWriter writer(path, {{"epoch", "loss"}, {}});
  writer.append({"1", "0.5"});
  fs::remove(path);
  writer.append({"2", "0.25"});
  CHECK(get(path) == "epoch,loss\n1,0.5\n2,0.25\n");
  put(path, "epoch,loss\n1,0.");  // cut
  writer.append({"3", "0.1"});
  CHECK(get(path) == "epoch,loss\n1,0.5\n2,0.25\n3,0.1\n");
}

TEST_CASE("the writer begins with the rows given and appends", "[csv]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "history.csv";
  {
    CsvWriter writer(path, {{"epoch", "loss"}, {}});
    writer.append({"1", "0.5"});
    writer.append({"2", "0.25"});
    CHECK_THROWS_AS(writer.append({"3"}), WeightsError);
  }
  CHECK(get(path) == "epoch,loss\n1,0.5\n2,0.25\n");
  CsvTable table = read_csv(path);
  table.rows.resize(1);  // a resume from the checkpoint after epoch 1
  CsvWriter writer(path, table);
  writer.append({"2", "0.3"});
  CHECK(get(path) == "epoch,loss\n1,0.5\n2,0.3\n");

  const FaultyCalls full("write", 0, Fault::no_space);
  CHECK(error_of<WeightsError>([&] { CsvWriter(path, table, full); }).find("No space left") != std::string::npos);
  CHECK(get(path) == "epoch,loss\n1,0.5\n2,0.3\n");
}
