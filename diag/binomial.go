package diag

import "math"

// tail is the chance of at least k failures in n mails when each fails with probability p.
func tail(n, k int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n || p <= 0:
		return 0
	case p >= 1:
		return 1
	}
	if float64(k) <= float64(n)*p {
		return 1 - lower(n, k-1, p)
	}
	// Above the mean the terms fall at least geometrically.
	term := math.Exp(choose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	sum := term
	for i := k; i < n && term > sum*1e-12; i++ {
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
		sum += term
	}
	return min(sum, 1)
}

// lower is the chance of at most k failures, k not above the mean.
func lower(n, k int, p float64) float64 {
	if k < 0 {
		return 0
	}
	term := math.Exp(choose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	sum := term
	for i := k; i > 0 && term > sum*1e-12; i-- {
		term *= float64(i) / float64(n-i+1) * (1 - p) / p
		sum += term
	}
	return min(sum, 1)
}

// choose is the logarithm of the binomial coefficient.
func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// likelihood is the logarithm of how likely a count is with a rate of failures.
func likelihood(c Count, p float64) float64 {
	p = min(max(p, 1e-9), 1-1e-9)
	return float64(c.Failed)*math.Log(p) + float64(c.Tried-c.Failed)*math.Log1p(-p)
}
