// Writes the types of the API from its OpenAPI document.
import { readFileSync, writeFileSync } from 'node:fs';

import openapiTS, { astToString } from 'openapi-typescript';

const source = new URL('../../docs/reference/generated/openapi.json', import.meta.url);
const target = new URL('../src/api/schema.gen.ts', import.meta.url);
const document = JSON.parse(readFileSync(source, 'utf8'));
// Operations are called by method and path; their names would only clash.
for (const item of Object.values(document.paths)) {
  for (const operation of Object.values(item)) delete operation.operationId;
}
writeFileSync(target, astToString(await openapiTS(document)));
