/** The values of Cilium's chart, one of which may come from an output. */
import * as pulumi from "@pulumi/pulumi";
import type { ChartPlan, ChartValues, CiliumOptions } from "../charts/index";
import { ciliumValues, isChartValues } from "../charts/index";
import { isRealEngine } from "./engine";
import { readArguments } from "./errors";
import { refuse, unlessRefused } from "./refusal";

/** A range for documentation (RFC 5737): stands in for one that is not known yet, to check all other values. */
const standIn = "192.0.2.0/24";

/** The chart, and what is to be checked once the component is there. */
export interface ReadCiliumChart extends ChartPlan {
  /** Ends the operation where the range of an output is none. */
  readonly refuseWrongRange: (name: string, component: pulumi.Resource) => void;
}

/** What the component is told of the chart's values. */
interface LateCiliumOptions extends CiliumOptions {
  readonly strictEncryptionCidr?: pulumi.Input<string>;
  readonly values?: pulumi.Inputs;
}

/** @throws ChartValuesError as Pulumi's input error */
export function readCiliumChart({ strictEncryptionCidr: range, ...args }: LateCiliumOptions): ReadCiliumChart {
  const read = (strictEncryptionCidr: string | undefined): ChartPlan =>
    readArguments(() =>
      ciliumValues(strictEncryptionCidr === undefined ? args : { ...args, strictEncryptionCidr }, args.values ?? {}),
    );
  if (range === undefined || typeof range === "string") return { ...read(range), refuseWrongRange: () => undefined };
  const late = pulumi.output(range);
  const checked = new Promise<string>((resolve, reject) => {
    late.apply((value) => {
      try {
        read(value);
        resolve(value);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
  const usable = unlessRefused(checked);
  const planned = read(standIn);
  return {
    ...planned,
    values: withRange(
      planned.values,
      late.apply(() => usable),
    ),
    refuseWrongRange: (name, component) => {
      if (!isRealEngine()) return;
      checked.catch((error: unknown) => {
        void refuse(`${name}-range`, error instanceof Error ? error.message : String(error), component);
      });
    },
  };
}

/** The values with the range in the place of what stands in for it. */
function withRange(values: ChartValues, range: pulumi.Output<string>): ChartValues {
  const replaced = Object.entries(values).map(([key, value]): [string, unknown] => {
    if (value === standIn) return [key, range];
    return [key, isChartValues(value) ? withRange(value, range) : value];
  });
  return Object.fromEntries(replaced);
}
