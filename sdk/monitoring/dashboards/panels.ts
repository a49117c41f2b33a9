/** Dashboards as Grafana reads them (classic schema, 39): plain data, no library. */

/** A query of a panel. */
interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly datasource: DataSource;
}

/** The data source that the reader chooses. */
interface DataSource {
  readonly type: "prometheus";
  readonly uid: "${datasource}";
}

/** One panel with its place. */
interface Panel {
  readonly id: number;
  readonly type: "timeseries" | "stat" | "table";
  readonly title: string;
  readonly description: string;
  readonly datasource: DataSource;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets: readonly Target[];
  readonly fieldConfig: {
    readonly defaults: { readonly unit: string; readonly min?: number };
    readonly overrides: readonly [];
  };
  readonly options: Readonly<Record<string, unknown>>;
}

/** One dashboard; `uid` stays the same from version to version. */
export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly schemaVersion: 39;
  readonly editable: boolean;
  readonly timezone: "browser";
  readonly refresh: "1m";
  readonly time: { readonly from: "now-6h"; readonly to: "now" };
  readonly templating: { readonly list: readonly object[] };
  readonly annotations: { readonly list: readonly [] };
  readonly links: readonly object[];
  readonly panels: readonly Panel[];
}

/** What a panel shows. */
export interface PanelDraft {
  readonly title: string;
  /** What the reader learns of it. */
  readonly about: string;
  /** Defaults to a time series. */
  readonly type?: Panel["type"];
  /** Grafana's name of the unit. Defaults to `short`. */
  readonly unit?: string;
  /** Expressions, each with the legend of its series. */
  readonly queries: Readonly<Record<string, string>>;
}

/** What a dashboard shows. */
export interface DashboardDraft {
  /** Part of the uid: `violations`. */
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly panels: readonly PanelDraft[];
  /** Alerts whose runbooks it links to. */
  readonly alerts: readonly string[];
}

const datasource: DataSource = { type: "prometheus", uid: "${datasource}" };
const width = 12;
const height = 8;

/** A dashboard, two panels to a row. */
export function dashboardOf(draft: DashboardDraft, runbookBase: string): Dashboard {
  const { id, title, about, panels, alerts } = draft;
  return {
    uid: `cluster-security-${id}`,
    title: `Cluster security: ${title}`,
    description: about,
    tags: ["cluster-security"],
    schemaVersion: 39,
    editable: false,
    timezone: "browser",
    refresh: "1m",
    time: { from: "now-6h", to: "now" },
    templating: { list: [{ type: "datasource", name: "datasource", label: "Data source", query: "prometheus" }] },
    annotations: { list: [] },
    links: [
      {
        title: "Dashboards",
        type: "dashboards",
        icon: "external link",
        tooltip: "The other dashboards",
        tags: ["cluster-security"],
        asDropdown: true,
        targetBlank: false,
        includeVars: true,
        keepTime: true,
      },
      ...alerts.map((alert) => ({
        title: alert,
        type: "link",
        icon: "doc",
        tooltip: `Runbook of ${alert}`,
        url: `${runbookBase}/${alert}.md`,
        tags: [],
        asDropdown: false,
        targetBlank: true,
        includeVars: false,
        keepTime: false,
      })),
    ],
    panels: panels.map(panelOf),
  };
}

function panelOf({ title, about, type = "timeseries", unit = "short", queries }: PanelDraft, index: number): Panel {
  return {
    id: index + 1,
    type,
    title,
    description: about,
    datasource,
    gridPos: { h: height, w: width, x: (index % 2) * width, y: Math.floor(index / 2) * height },
    targets: Object.entries(queries).map(([legendFormat, expr], at) => ({
      refId: String.fromCharCode(65 + at),
      expr,
      legendFormat,
      datasource,
    })),
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: type === "timeseries" ? { legend: { displayMode: "table", placement: "bottom", showLegend: true } } : {},
  };
}
