// Sends one sign-up with npm @rudderstack/rudder-sdk-node. Arguments: server address, write key, user id.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [dataPlaneUrl, writeKey, userId] = process.argv.slice(2)
const client = new RudderAnalytics(writeKey, { dataPlaneUrl, logLevel: 'error' })

client.identify({ userId, traits: { email: `${userId}@example.com`, first_name: 'Noor' } })
client.group({ userId, groupId: `${userId}-account`, traits: { name: 'Northbeam' } })
client.track({ userId, event: 'signed_up', properties: { plan: 'pro' } })
client.page({ userId, name: 'Home' })
await client.flush()
