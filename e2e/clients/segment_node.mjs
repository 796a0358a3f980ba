// Sends one sign-up with npm @segment/analytics-node. Arguments: server address, write key, user id.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, userId] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey })
analytics.on('error', (error) => {
  console.error(error)
  process.exitCode = 1
})

analytics.identify({ userId, traits: { email: `${userId}@example.com`, first_name: 'Noor' } })
analytics.group({ userId, groupId: `${userId}-account`, traits: { name: 'Northbeam' } })
analytics.track({ userId, event: 'signed_up', properties: { plan: 'pro' } })
analytics.page({ userId, name: 'Home' })
await analytics.closeAndFlush()
