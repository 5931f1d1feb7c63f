"use strict";

// Lines and bars, drawn by Chart.js; the same numbers stand in a table below.
function chartPanel(panel) {
  const canvas = element("canvas", { role: "img", "aria-label": panel.title });
  const box = element("div", { class: "chart" }, canvas);
  const values = (series) => series.values.map((value) => {
    const shown = finite(value) && (panel.scale === "linear" || value > 0);
    return shown ? value : null;
  });
  let chart = null;
  keepDrawn(box, () => {
    if (chart) chart.destroy();
    chart = new Chart(canvas, {
      type: panel.form,
      data: {
        labels: panel.labels,
        datasets: panel.series.map((series, i) => ({
          label: series.name,
          data: values(series),
          borderColor: color("series-" + (i % 8)),
          backgroundColor: color("series-" + (i % 8)),
          borderDash: i >= 8 ? [5, 3] : [],
          borderWidth: panel.form === "line" ? 2 : 0,
          pointRadius: panel.labels.length > 60 ? 0 : 2.5,
          spanGaps: panel.bridged,
        })),
      },
      options: chartOptions(panel),
    });
  });
  const columns = [panel.xTitle || "place", ...panel.series.map((series) => series.name)];
  const rows = () => panel.labels.map((label, i) =>
    [label, ...panel.series.map((series) => ({ n: series.values[i] }))]);
  const swatch = (series, i) => {
    const line = element("span", { class: i >= 8 ? "line dashed" : "line" });
    line.style.borderColor = `var(--series-${i % 8})`;
    return element("span", {}, line, " " + series.name);
  };
  const legend = panel.series.length < 2 ? ""
    : element("div", { class: "legend" }, ...panel.series.map(swatch));
  return element("figure", {}, element("figcaption", {}, panel.title), legend, box,
    folded(["The numbers"], () => [tableOf(columns, rows())]));
}

function chartOptions(panel) {
  const axis = (title) => ({
    title: { display: title !== "", text: title, color: color("soft") },
    ticks: { color: color("soft"), maxRotation: 60, autoSkipPadding: 6 },
    grid: { color: color("line") },
  });
  const y = axis(panel.yTitle);
  y.type = panel.scale;
  if (panel.scale === "logarithmic") {
    y.ticks.callback = (value) => (Math.log10(value) % 1 === 0 ? value.toExponential(0) : null);
  }
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    scales: { x: axis(panel.xTitle), y },
    plugins: {
      legend: { display: false },
      tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${formatted(item.raw)}` } },
    },
  };
}
