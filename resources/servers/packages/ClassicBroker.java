import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.plugin.StatisticsBrokerPlugin;
import org.apache.activemq.security.AuthenticationUser;
import org.apache.activemq.security.SimpleAuthenticationPlugin;

import java.util.ArrayList;
import java.util.List;

/** ActiveMQ Classic over one STOMP connector: arguments are the connector's URI and the data folder. */
public class ClassicBroker {
    public static void main(String[] arguments) {
        try {
            run(arguments);
        } catch (Throwable error) {
            // Threads of a half-started broker would keep the process alive.
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private static void run(String[] arguments) throws Exception {
        BrokerService broker = new BrokerService();
        broker.setBrokerName("orders");
        broker.setPersistent(true);
        broker.setUseJmx(false);
        broker.setSchedulerSupport(false);
        broker.setDataDirectory(arguments[1]);
        List<BrokerPlugin> plugins = new ArrayList<>();
        plugins.add(new StatisticsBrokerPlugin());
        // By the environment, since every user of a machine sees the arguments.
        String user = System.getenv("BROKER_USER");
        if (user != null) {
            AuthenticationUser one = new AuthenticationUser(user, System.getenv("BROKER_PASSWORD"), "orders");
            plugins.add(new SimpleAuthenticationPlugin(List.of(one)));
        }
        broker.setPlugins(plugins.toArray(new BrokerPlugin[0]));
        broker.start();
        if (!broker.isStarted()) {
            throw new IllegalStateException("the store could not be opened");
        }
        // A connector is bound when it is added: later than the recovery of the store, it tells readiness.
        broker.startTransportConnector(broker.addConnector(arguments[0]));
        broker.waitUntilStopped();
    }
}
