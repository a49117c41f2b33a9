/** Where a documented exception between tenants counts; see `FindingOptions.tenantExceptions`. */
export type ExceptionPlaces = "each-side" | "platform" | "nowhere";
