// The page: well formed, self-contained, escaped, the same for the same data, and sensible for little and for much data.
#include <cctype>
#include <cmath>
#include <limits>
#include <set>

#include "engine/report/chart.h"
#include "engine/report/html.h"
#include "engine/report/mistakes.h"
#include "engine/report/report.h"
#include "engine/report/text.h"
#include "tests/catch.h"
#include "tests/text.h"

using namespace tessera;
using Catch::Contains;
using tests::count_of;

namespace {

// Every element is closed in order; those that HTML lets open (table cells) are closed by their row. Returns what is wrong.
std::string nesting_error(const std::string& html) {
  const std::set<std::string> empty = {"meta", "br", "img", "line", "circle", "path", "rect", "!doctype"};
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return "no end of a tag at " + std::to_string(at);
    const bool closes = html[at + 1] == '/';
    std::string name;
    for (std::size_t i = at + (closes ? 2 : 1); std::isalnum(static_cast<unsigned char>(html[i])) || html[i] == '!'; ++i)
      name += html[i];
    if (empty.contains(name)) continue;
    const auto is_cell = [](const std::string& tag) { return tag == "td" || tag == "th"; };
    if (!closes) {
      if (is_cell(name) && !open.empty() && is_cell(open.back())) open.pop_back();
      open.push_back(name);
      if (name == "style") at = html.find("</style>", at) - 1;
      continue;
    }
    if (name == "tr" && !open.empty() && is_cell(open.back())) open.pop_back();
    if (open.empty() || open.back() != name) return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
    open.pop_back();
  }
  return open.empty() ? "" : open.back() + " stays open";
}

ReportData example(int rows) {
  ReportData data{.title = "lenet5_relu", .subtitle = "Recipe R003"};
  data.figures = {{"test accuracy", "62.71 %", "10,000 images"}, {"test loss", "1.0812"}};
  for (int i = 0; i < rows; ++i) {
    ReportRow row{.epoch = i + 1.0,
                  .train = {.loss = 2.0 / (i + 1), .accuracy = 1 - 0.6 / (i + 1), .top5 = 0.99},
                  .learning_rate = 0.001,
                  .seconds = 3,
                  .images_per_second = 1500};
    row.validation = ReportScores{.loss = 2.2 / (i + 1), .accuracy = 1 - 0.7 / (i + 1), .top5 = 0.98};
    data.history.push_back(row);
  }
  data.evaluated = "10 test images";
  data.confusion.emplace(std::vector<std::string>{"horse", "ship"});
  data.confusion->add(std::vector<float>{-1, 2, 3, -4}, std::vector<std::int32_t>{0, 0, 1, 1});
  data.mistake_count = 2;
  data.mistakes = {{.label = "horse",
                    .predicted = "ship",
                    .probability = 0.881,
                    .image = "data:image/png;base64,AA==",
                    .heat = "data:image/png;base64,BB==",
                    .index = 1}};
  data.filters = filter_images({1, -1, 0, 0.5f, 0, 0, 0, 0, 0, 0, 0, 0}, 1, 2, 2, 3);
  data.tables = {{"Run", {{"seed", "1"}}}};
  return data;
}

}  // namespace

TEST_CASE("the page is well formed and needs nothing from outside, for any number of rows") {
  for (const int rows : {0, 1, 2, 5, 100, 1000}) {
    for (const bool top5 : {false, true}) {
      INFO(rows << " rows");
      ReportData data = example(rows);
      data.top5 = top5;
      const std::string html = report_html(data);
      CHECK(nesting_error(html) == "");
      for (const char* outside : {"http:", "https:", "<script", "<link", "@import", "url(", "src=\"/", "srcset"})
        CHECK(html.find(outside) == std::string::npos);
      CHECK(count_of(html, "src=\"") == count_of(html, "src=\"data:image/png;base64,"));
      CHECK(count_of(html, "class=\"chart\"") == (rows == 0 ? 0u : top5 ? 3u : 2u));
      CHECK(html.find("nan") == std::string::npos);
      CHECK(html == report_html(data));
    }
  }
}

TEST_CASE("what the data has not is left out") {
  const std::string html = report_html({.title = "empty", .subtitle = ""});
  CHECK(nesting_error(html) == "");
  for (const char* part : {"Curves", "Classes", "Surest mistakes", "First-layer", "class=\"notice\""})
    CHECK(html.find(part) == std::string::npos);
  ReportData stopped{.title = "stopped", .subtitle = "", .notice = "Stopped at step 7"};
  CHECK_THAT(report_html(stopped), Contains("<p class=\"notice\">Stopped at step 7</p>"));
}

TEST_CASE("foreign text stays text") {
  CHECK(escape_html("a<b>&\"c\"'") == "a&lt;b&gt;&amp;&quot;c&quot;&#39;");
  CHECK(escape_html("Grüße → 日本 😀\n") == "Grüße → 日本 😀\n");
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(escape_html(std::string("a\x01"
                                "b\x1b[31m")) == "a" + bad + "b" + bad + "[31m");
  CHECK(escape_html("\xff") == bad);                                // no such byte
  CHECK(escape_html("\xc3") == bad);                                // cut
  CHECK(escape_html("\xc0\xaf") == bad + bad);                      // longer than needed
  CHECK(escape_html("\xed\xa0\x80") == bad + bad + bad);            // half of a UTF-16 pair
  CHECK(escape_html("\xf4\x90\x80\x80") == bad + bad + bad + bad);  // above U+10FFFF

  const std::string evil = "</style><script>alert('x')</script>\" onload=\"";
  ReportData data = example(2);
  data.title = data.subtitle = data.notice = data.footer = data.evaluated = data.filters_note = evil;
  data.figures = {{evil, evil, evil}};
  data.confusion.emplace(std::vector<std::string>{evil, "b"});
  data.confusion->add(std::vector<float>{1, 1}, std::vector<std::int32_t>{0, 1});
  data.mistakes[0].label = data.mistakes[0].predicted = evil;
  data.tables = {{evil, {{evil, evil}}}};
  const std::string html = report_html(data);
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find("onload=\"") == std::string::npos);
  CHECK(nesting_error(html) == "");
}

TEST_CASE("names of classes stay apart from the text around them, and short") {
  CHECK(name_html("cat") == "<bdi>cat</bdi>");
  CHECK(name_html("a\xe2\x80\xae"
                  "b") ==
        "<bdi>a\xEF\xBF\xBD"
        "b</bdi>");  // no override gets out
  const std::string name(180, 'x');
  CHECK(name_html(name) == "<bdi title=\"" + name + "\">" + std::string(23, 'x') + "…</bdi>");
  CHECK(shortened("日本日本日本日本日本日本日本日本日本日本日本日本") == "日本日本日本日本日本日本日本日本日本日本日本日本");
  CHECK(shortened("日本日本日本日本日本日本日本日本日本日本日本日本日") ==
        "日本日本日本日本日本日本日本日本日本日本日本日…");
}

TEST_CASE("many classes are listed, few are drawn as a matrix") {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("class" + std::to_string(i));
  ReportData data = example(1);
  data.confusion.emplace(names);
  std::vector<float> logits(100);
  logits[7] = 1;
  data.confusion->add(logits, std::vector<std::int32_t>{3});
  const std::string html = report_html(data);
  CHECK(html.find("class=\"matrix\"") == std::string::npos);
  CHECK_THAT(html, Contains("<bdi>class3</bdi> → <bdi>class7</bdi>") && Contains("class3 for class7 (1)"));
  CHECK_THAT(report_html(example(1)), Contains("class=\"matrix\"") && Contains("horse taken for ship: 1 of 2"));
}

TEST_CASE("a class without images has no accuracy") {
  ReportData data = example(1);
  data.confusion.emplace(std::vector<std::string>{"ant", "bee"});
  data.confusion->add(std::vector<float>{0, 1}, std::vector<std::int32_t>{0});
  CHECK_THAT(report_html(data), Contains("0.0&#8239;%</td>") && Contains("<td>–</td>"));
  CHECK_THAT(data.confusion->table(), Contains("0.0000") && Contains("–"));
}

TEST_CASE("curves: gaps where values are not finite, marks for points that stand alone") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const auto path_of = [](const std::string& html) {
    const std::size_t at = html.find(" d=\"") + 4;
    return html.substr(at, html.find('"', at) - at);
  };
  Chart chart{
      .title = "Loss", .x_name = "epoch", .percent = false, .x = {1, 2, 3, 4, 5}, .series = {{"training", "train", {}}}};
  chart.series[0].values = {1, 2, 3, 2, 1};
  std::string path = path_of(line_chart(chart));
  CHECK(count_of(path, "M") == 1);
  CHECK(count_of(path, "L") == 4);
  CHECK_THAT(line_chart(chart), Contains("training <b>1.0000</b>"));
  chart.decades = true;  // learning rates: the last one tried says nothing
  CHECK_THAT(line_chart(chart), !Contains("<b>"));
  chart.decades = false;
  chart.series[0].values = {1, 2, nan, 2, inf};
  path = path_of(line_chart(chart));
  CHECK(count_of(path, "M") == 2);
  CHECK(count_of(path, "L") == 1);
  CHECK(count_of(line_chart(chart), "class=\"mark\"") == 3);
  chart.series[0].values = {nan, nan, nan, nan, nan};
  CHECK(path_of(line_chart(chart)).empty());
  CHECK(nesting_error(line_chart(chart)) == "");

  Chart lonely{.title = "Loss", .x_name = "epoch", .percent = false, .x = {}, .series = {{"training", "train", {}}}};
  for (int i = 0; i < 100; ++i) lonely.x.push_back(i), lonely.series[0].values.push_back(i == 50 ? 1 : nan);
  CHECK(count_of(line_chart(lonely), "class=\"mark\"") == 1);
}

TEST_CASE("curves: higher values lie higher, later ones further right, and all within the axes") {
  Chart chart{.title = "Accuracy", .x_name = "epoch", .percent = true, .x = {}, .series = {{"training", "train", {}}}};
  for (int i = 0; i < 30; ++i) chart.x.push_back(i + 1), chart.series[0].values.push_back(0.4 + 0.6 * i / 29);
  const std::string html = line_chart(chart);
  double last_x = -1, last_y = 1e9;
  std::size_t marks = 0;
  for (std::size_t at = html.find("cx=\""); at != std::string::npos && marks < 30;
       at = html.find("cx=\"", at + 1), ++marks) {
    const double x = std::stod(html.substr(at + 4)), y = std::stod(html.substr(html.find("cy=\"", at) + 4));
    CHECK(x > last_x);
    CHECK(y < last_y);
    CHECK((x >= 46 && x <= 390.1 && y >= 9.9 && y <= 214.1));
    last_x = x, last_y = y;
  }
  CHECK(marks == 30);
  CHECK_THAT(html, Contains("epoch 30\ntraining 100.00 %") && Contains(">100%<"));
}

TEST_CASE("ticks are round and cover the values") {
  for (const auto& [low, high] :
       {std::pair{0.0, 1.0}, {0.4213, 0.6271}, {3.1e-5, 2.3}, {5.0, 5.0}, {0.0, 0.0}, {-3.0, 7e6}}) {
    const std::vector<double> ticks = round_ticks(low, high, 5);
    INFO(low << " … " << high);
    REQUIRE(ticks.size() >= 2);
    CHECK(ticks.size() <= 8);
    CHECK(ticks.front() <= low + 1e-9);
    CHECK(ticks.back() >= high - 1e-9);
    const double step = ticks[1] - ticks[0], leading = step / std::pow(10, std::floor(std::log10(step) + 1e-9));
    CHECK((leading == Approx(1) || leading == Approx(2) || leading == Approx(2.5) || leading == Approx(5)));
  }
  for (const int last : {2, 3, 7, 30, 100}) {
    for (const double tick : round_ticks(1, last, 6, 1)) CHECK(tick == Approx(std::round(tick)));
  }
}

TEST_CASE("the surest mistakes, in order, whatever comes in between") {
  Mistakes mistakes(3);
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 50; ++i) {  // image i takes class 1 for 0 with margin i, every fifth is right
    logits.insert(logits.end(), {static_cast<float>(i), 0});
    labels.push_back(i % 5 == 0 ? 0 : 1);
  }
  for (int i = 0; i < 50; i += 10)
    mistakes.add(std::span(logits).subspan(static_cast<std::size_t>(2 * i), 20),
                 std::span(labels).subspan(static_cast<std::size_t>(i), 10));
  CHECK(mistakes.images() == 50);
  CHECK(mistakes.count() == 40);
  const std::vector<Mistake> surest = mistakes.surest();
  REQUIRE(surest.size() == 3);
  CHECK(surest[0].image == 49);  // margins of 47 and 49 both round to probability 1: they are still told apart
  CHECK(surest[1].image == 48);
  CHECK(surest[2].image == 47);
  CHECK(surest[0].label == 1);
  CHECK(surest[0].predicted == 0);

  Mistakes binary(2);
  binary.add(std::vector<float>{2, -3, 0.5f, std::nanf("")}, std::vector<std::int32_t>{0, 1, 1, 1});
  REQUIRE(binary.surest().size() == 2);
  CHECK(binary.surest()[0].image == 1);
  CHECK(binary.surest()[0].probability() == Approx(1 / (1 + std::exp(-3.0))));
  CHECK(binary.count() == 3);  // NaN says class 0, but no probability
}
