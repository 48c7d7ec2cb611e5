import GatewayAPI
import Jobs
import Stores
import Webhooks

extension WebhookServices {
    /// What the API asks, answered by the sender.
    init(_ deliveries: DeliveryRunner) {
        self.init()
        check = { wanted in
            do throws(RefusedURL) {
                _ = try deliveries.guarding.check(url: wanted.url)
            } catch {
                throw EndpointRefused(member: "url", words: error.words)
            }
        }
    }
}
