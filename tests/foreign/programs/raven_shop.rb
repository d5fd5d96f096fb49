# A program of sentry-raven, the SDK for Ruby until 2020: a message, then an error that it captures.
require 'sentry-raven'

PRICES = { tea: '4,20' }.freeze

class OrderError < StandardError; end

def price(article)
  Float(PRICES.fetch(article))
end

def order(article)
  price(article)
rescue ArgumentError
  raise OrderError, "#{article} cannot be ordered"
end

Raven.configure do |config|
  config.dsn = ENV.fetch('SENTRY_DSN')
  config.release = 'shop@1.4.2'
  config.current_environment = 'production'
  config.silence_ready = true
end
Raven.tags_context('shop.till' => 'north')
Raven.user_context(id: '7')
Raven.breadcrumbs.record { |crumb| crumb.category = 'cart'; crumb.message = 'tea into the cart'; crumb.level = 'info' }
Raven.capture_message('Tea is running low', level: 'warning')
begin
  order(:tea)
rescue OrderError => e
  Raven.capture_exception(e)
end
