/** The pack for `pulumi preview --policy-pack`: everything at its default. */
import { ClusterSecurityGuard } from "./guard";

new ClusterSecurityGuard();
