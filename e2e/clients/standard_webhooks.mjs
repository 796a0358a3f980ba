// Verifies one webhook with the published library, unchanged. Reads {secret, headers, body} from standard input and
// prints the type of the event; a wrong signature ends it with an error.

import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
const event = new Webhook(secret).verify(body, headers);
console.log(event.type);
