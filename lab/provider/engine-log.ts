/** Sends messages to the engine, which shows them beside the resource they concern. */
import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import type { EngineLog, Severity } from "./messages";

const severities: Record<Severity, LogSeverity> = {
  debug: LogSeverity.DEBUG,
  info: LogSeverity.INFO,
  warning: LogSeverity.WARNING,
  error: LogSeverity.ERROR,
};

export class EngineConnection implements EngineLog {
  private client: EngineClient | undefined;

  attach(address: string): void {
    if (address !== "") this.client = new EngineClient(address, grpc.credentials.createInsecure());
  }

  log(severity: Severity, message: string, urn: string, ephemeral = false): void {
    const request = new LogRequest();
    request.setSeverity(severities[severity]);
    request.setMessage(message);
    request.setUrn(urn);
    request.setEphemeral(ephemeral);
    // a message that does not arrive must not fail the operation it accompanies
    this.client?.log(request, () => undefined);
  }
}
