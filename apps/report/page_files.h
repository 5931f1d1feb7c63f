// The files of apps/report/ and Chart.js, embedded at build time (third_party/embed.cmake).
#pragma once

#include <string_view>

namespace lookback::page_files {

extern const std::string_view
    page_html;  // with {{TITLE}}, {{STYLE}}, {{DATA}}, {{CHART}}, {{SCRIPTS}}
extern const std::string_view page_css;
extern const std::string_view chart_js;  // Chart.js itself
extern const std::string_view page_js;   // all of ours, joined

}  // namespace lookback::page_files
