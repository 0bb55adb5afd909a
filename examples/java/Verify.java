// mvn dependency:copy-dependencies          java -cp 'target/dependency/*' Verify.java <token>…
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.jwt.proc.ExpiredJWTException;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

public final class Verify {
  static final String ISSUER = System.getenv("TENANTRY_ISSUER");
  static final String AUDIENCE = System.getenv("TENANTRY_AUDIENCE");

  /** 401: the token is not good. */
  static final class Refused extends Exception {
    Refused(String code) { super(code); }
  }

  /** 503 with Retry-After: the token cannot be judged now. Never answer 401: clients throw their tokens away. */
  static final class Unavailable extends Exception {
    Unavailable(String code) { super(code); }
  }

  private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
  private final Revocations revocations; // null: a token is good until it expires

  Verify(Revocations revocations) throws MalformedURLException {
    this.revocations = revocations;
    var keys = JWKSourceBuilder.create(
            URI.create(ISSUER + "/.well-known/jwks.json").toURL(), new DefaultResourceRetriever(5000, 5000, 262144))
        .cache(300_000, 15_000) // as long as the service allows
        .rateLimited(30_000) // for unknown kids
        .outageTolerant(24 * 3_600_000L) // in an outage the known keys stay valid
        .build();
    processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, keys));
    // Without this, a refresh token would pass.
    processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
    var claims = new DefaultJWTClaimsVerifier<SecurityContext>(
        AUDIENCE, new JWTClaimsSet.Builder().issuer(ISSUER).build(), Set.of("sub", "iat", "exp", "jti", "epoch"));
    claims.setMaxClockSkew(5);
    processor.setJWTClaimsSetVerifier(claims);
  }

  /** Returns the claims of an access token. */
  JWTClaimsSet verify(String token) throws Refused, Unavailable {
    JWTClaimsSet claims;
    try {
      SignedJWT parsed = SignedJWT.parse(token);
      // No other header may name another key or rule. Tenantry's tokens always have a kid.
      if (!parsed.getHeader().getIncludedParams().equals(Set.of("alg", "typ", "kid"))) throw new Refused("invalid_token");
      claims = processor.process(parsed, null);
      if (revocations != null) revocations.judge(claims, parsed.getHeader().getKeyID());
      return claims;
    } catch (ExpiredJWTException error) {
      throw new Refused("token_expired");
    } catch (KeySourceException error) {
      throw new Unavailable("keys_unavailable");
    } catch (ParseException | BadJOSEException | JOSEException error) {
      throw new Refused("invalid_token");
    }
  }

  /** Whether the token grants resource:action. With permissions_ref, ask POST /api/v1/authz/check instead. */
  static boolean holds(JWTClaimsSet claims, String wanted) throws ParseException {
    List<String> held = claims.getStringListClaim("permissions");
    String[] parts = wanted.split(":");
    return held != null
        && List.of(wanted, parts[0] + ":*", "*:" + parts[1], "*:*").stream().anyMatch(held::contains);
  }

  /** Which tokens to refuse before they expire. Polls the feed every second. */
  static final class Revocations {
    static final long REMEMBER = Duration.ofSeconds(1000).toNanos(); // an access token lives for 900
    static final long STALE = Duration.ofSeconds(30).toNanos();

    private record Seen<T>(T value, long at) {}

    private record Change(double at, boolean suspended) {}

    private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
    private final String basic;
    private final Map<String, Long> sessions = new ConcurrentHashMap<>();
    private final Map<String, Seen<Long>> epochs = new ConcurrentHashMap<>();
    private final Map<String, Seen<Change>> organizations = new ConcurrentHashMap<>();
    private final Set<String> keys = ConcurrentHashMap.newKeySet(); // never forgotten: a leaked key can sign at any time
    private volatile long notBefore = 0;
    private volatile long spoke;
    private String token = "";
    private long tokenEnds = System.nanoTime();
    private String cursor;

    Revocations(String id, String secret) throws IOException, InterruptedException, ParseException {
      basic = Base64.getEncoder().encodeToString((encode(id) + ":" + encode(secret)).getBytes(StandardCharsets.UTF_8));
      poll();
      var timer = Executors.newSingleThreadScheduledExecutor(run -> {
        var thread = new Thread(run, "revocations");
        thread.setDaemon(true);
        return thread;
      });
      timer.scheduleWithFixedDelay(() -> {
        try {
          poll();
        } catch (Exception error) {
          System.err.println("revocations: " + error.getMessage()); // if this lasts too long, judge refuses every token
        }
      }, 1, 1, TimeUnit.SECONDS);
    }

    private void poll() throws IOException, InterruptedException, ParseException {
      long asked = System.nanoTime();
      if (tokenEnds - asked < Duration.ofMinutes(1).toNanos()) signIn(asked);
      var place = ISSUER + "/api/v1/revocations" + (cursor == null ? "" : "?after=" + encode(cursor));
      var answer = http.send(
          request(place).header("Authorization", "Bearer " + token).header("Accept", "application/json").build(),
          HttpResponse.BodyHandlers.ofString());
      if (answer.statusCode() == 401) tokenEnds = asked;
      if (answer.statusCode() == 422) cursor = null; // a cursor of another installation: start again
      if (answer.statusCode() != 200) throw new IOException("the feed answered " + answer.statusCode());
      var data = JSONObjectUtils.getJSONObject(JSONObjectUtils.parse(answer.body()), "data");
      for (Map<String, Object> event : JSONObjectUtils.getJSONObjectArray(data, "events")) take(event, asked);
      cursor = JSONObjectUtils.getString(data, "cursor");
      spoke = asked;
      sessions.values().removeIf(at -> asked - at > REMEMBER);
      epochs.values().removeIf(seen -> asked - seen.at > REMEMBER);
      organizations.values().removeIf(seen -> asked - seen.at > REMEMBER);
    }

    private void take(Map<String, Object> event, long now) {
      switch (String.valueOf(event.get("kind"))) {
        case "session" -> sessions.put((String) event.get("sid"), now);
        // With `org`, the event is about the membership there, and not about all tokens of the user.
        case "user", "membership", "client" -> epochs.merge(
            (String) event.get("client".equals(event.get("kind")) ? "client_id" : "sub") + event.getOrDefault("org", ""),
            new Seen<>(((Number) event.get("epoch")).longValue(), now),
            (known, news) -> new Seen<>(Math.max(known.value, news.value), now));
        case "role" -> epochs.merge(
            event.get("org") + " " + event.get("role"),
            new Seen<>(((Number) event.get("epoch")).longValue(), now),
            (known, news) -> new Seen<>(Math.max(known.value, news.value), now));
        case "organization" -> organizations.merge(
            (String) event.get("org"),
            new Seen<>(new Change(((Number) event.get("at")).doubleValue(), "suspended".equals(event.get("state"))), now),
            (known, news) -> known.value.at > news.value.at ? known : news); // the later change wins
        case "key" -> keys.add((String) event.get("kid"));
        case "everything" -> notBefore = Math.max(notBefore, ((Number) event.get("not_before")).longValue());
        default -> { }
      }
    }

    void judge(JWTClaimsSet claims, String kid) throws Refused, Unavailable, ParseException {
      if (System.nanoTime() - spoke > STALE) throw new Unavailable("revocations_stale");
      if (keys.contains(kid)) throw new Refused("invalid_token");
      String session = claims.getStringClaim("sid");
      String organization = claims.getStringClaim("org");
      if (claims.getIssueTime().getTime() / 1000 < notBefore || (session != null && sessions.containsKey(session))) {
        throw new Refused("session_revoked");
      }
      var epoch = epochs.get(claims.getSubject());
      if (epoch != null && claims.getLongClaim("epoch") < epoch.value) throw new Refused("token_stale");
      var membership = organization == null ? null : epochs.get(claims.getSubject() + organization);
      var own = claims.getClaim("mep") == null ? claims.getLongClaim("epoch") : claims.getLongClaim("mep");
      if (membership != null && own < membership.value) throw new Refused("token_stale");
      Long ofRoles = claims.getLongClaim("rep"); // null: a token of an older version of the service
      for (String role : ofRoles == null ? List.<String>of() : claims.getStringListClaim("roles")) {
        var changed = epochs.get(organization + " " + role);
        if (changed != null && ofRoles < changed.value) throw new Refused("token_stale");
      }
      var change = organization == null ? null : organizations.get(organization);
      if (change != null && change.value.suspended) throw new Refused("organization_suspended");
    }

    private void signIn(long now) throws IOException, InterruptedException, ParseException {
      var answer = http.send(
          request(ISSUER + "/oauth/token")
              .header("Authorization", "Basic " + basic)
              .header("Content-Type", "application/x-www-form-urlencoded")
              .POST(HttpRequest.BodyPublishers.ofString("grant_type=client_credentials"))
              .build(),
          HttpResponse.BodyHandlers.ofString());
      if (answer.statusCode() != 200) throw new IOException("/oauth/token answered " + answer.statusCode());
      var body = JSONObjectUtils.parse(answer.body());
      token = JSONObjectUtils.getString(body, "access_token");
      tokenEnds = now + Duration.ofSeconds(JSONObjectUtils.getLong(body, "expires_in")).toNanos();
    }

    private static HttpRequest.Builder request(String place) {
      return HttpRequest.newBuilder(URI.create(place)).timeout(Duration.ofSeconds(5));
    }

    private static String encode(String text) {
      return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
  }

  public static void main(String[] tokens) throws ParseException {
    if (ISSUER == null || AUDIENCE == null || tokens.length == 0) {
      System.err.println("usage: TENANTRY_ISSUER=… TENANTRY_AUDIENCE=… java -cp 'target/dependency/*' Verify.java <token>…");
      System.exit(2);
    }
    String id = System.getenv("TENANTRY_CLIENT_ID");
    String secret = System.getenv().getOrDefault("TENANTRY_CLIENT_SECRET", "");
    Verify verifier = null;
    try {
      verifier = new Verify(id == null ? null : new Revocations(id, secret));
    } catch (Exception error) {
      System.err.println("cannot follow the revocations of " + ISSUER + ": " + error);
      System.exit(1);
    }
    for (String token : tokens) {
      try {
        JWTClaimsSet claims = verifier.verify(token);
        System.out.println("ok " + claims.getSubject() + " " + (holds(claims, "deals:write") ? "deals:write" : "-"));
      } catch (Refused | Unavailable error) {
        System.out.println("refused " + error.getMessage());
      }
    }
  }
}
