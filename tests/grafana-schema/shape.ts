// The types of Grafana's own dashboards, as they stand in JSON: an enum is one of its texts.
import type { Dashboard, FieldConfigSource, Panel as AnyPanel } from '@grafana/schema';
import type { Options as BarGauge } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { FieldConfig as StateTimelineField, Options as StateTimeline } from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { FieldConfig as TableField, Options as Table } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { FieldConfig as TimeSeriesField, Options as TimeSeries } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Json<T> = 0 extends 1 & T ? T
  : T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer Each)[] ? Json<Each>[]
  : T extends object ? { [Key in keyof T]: Json<T[Key]> }
  : T;

// Settings that are missing get Grafana's defaults. `custom` must name settings of the panel's kind only.
type Field<Custom> = Omit<FieldConfigSource, 'defaults'> & { defaults: Omit<FieldConfigSource['defaults'], 'custom'> & { custom?: Partial<Custom> } };
type Of<Kind extends string, Options, Custom> = Omit<AnyPanel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Kind;
  title: string;
  description: string;
  options: Partial<Options>;
  fieldConfig: Field<Custom>;
  targets: Query[];
};

// Grafana's Prometheus data source: public/app/plugins/datasource/prometheus, whose types the package lacks.
interface Query {
  refId: string;
  datasource: { type: string; uid: string };
  expr: string;
  legendFormat: string;
  instant: boolean;
  range: boolean;
  format?: 'table';
}
interface Annotation {
  name: string;
  datasource: { type: string; uid: string };
  enable: boolean;
  hide: boolean;
  iconColor: string;
  expr: string;
  titleFormat: string;
  textFormat: string;
  step: string;
}
interface Variable extends Omit<NonNullable<NonNullable<Dashboard['templating']>['list']>[number], 'datasource'> {
  datasource?: { type: string; uid: string };
  definition?: string;
}

type Panel = Of<'stat', Stat, Record<string, never>> | Of<'timeseries', TimeSeries, TimeSeriesField>
  | Of<'state-timeline', StateTimeline, StateTimelineField> | Of<'table', Table, TableField> | Of<'bargauge', BarGauge, Record<string, never>>;

export type Board = Json<Omit<Dashboard, 'panels' | 'annotations' | 'templating'> & {
  uid: string;
  panels: Panel[];
  annotations: { list: Annotation[] };
  templating: { list: Variable[] };
}>;
