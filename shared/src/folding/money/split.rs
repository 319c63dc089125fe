//! Dividing an amount without losing or making a unit.
//!
//! Pure. Invariant: the parts sum to the amount. Largest remainder; ties go to the smaller booking
//! id, so the result is a function of the set of weights.

/// Divides `amount` in proportion to the weights, which are not negative. Without any weight all
/// of it goes to the last.
pub(super) fn proportional(amount: i64, weights: &[(String, i64)]) -> Vec<(String, i64)> {
    let total: i128 = weights.iter().map(|(_, weight)| i128::from(*weight)).sum();
    let mut parts: Vec<(String, i64)> = weights
        .iter()
        .map(|(booking, _)| (booking.clone(), 0))
        .collect();
    if total <= 0 {
        if let Some((_, part)) = parts.last_mut() {
            *part = amount;
        }
        return parts;
    }
    let mut left = amount;
    let mut remainders = Vec::with_capacity(weights.len());
    for (place, ((booking, weight), (_, part))) in weights.iter().zip(&mut parts).enumerate() {
        let product = i128::from(amount).saturating_mul(i128::from(*weight));
        // A share of an amount fits where the amount fits.
        *part = i64::try_from(product.div_euclid(total)).unwrap_or(0);
        left = left.saturating_sub(*part);
        remainders.push((product.rem_euclid(total), booking.clone(), place));
    }
    remainders.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    let many = usize::try_from(left).unwrap_or(0);
    for (_, _, place) in remainders.into_iter().take(many) {
        if let Some((_, part)) = parts.get_mut(place) {
            *part = part.saturating_add(1);
        }
    }
    parts
}

/// Divides `amount` by known parts: what they leave is unassigned; what they exceed it by is taken
/// from all in proportion.
pub(super) fn exact(amount: i64, known: &[(String, i64)]) -> Vec<(String, i64)> {
    let total: i128 = known.iter().map(|(_, part)| i128::from(*part)).sum();
    if total > i128::from(amount) {
        return proportional(amount, known);
    }
    let rest = i64::try_from(i128::from(amount).saturating_sub(total)).unwrap_or(0);
    let mut parts = known.to_vec();
    match parts.iter_mut().find(|(booking, _)| booking.is_empty()) {
        Some((_, part)) => *part = part.saturating_add(rest),
        None if rest > 0 => parts.push((String::new(), rest)),
        None => {}
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(weights: &[i64]) -> Vec<(String, i64)> {
        let names = ["", "a", "b", "c", "d", "e", "f"];
        names
            .iter()
            .zip(weights)
            .map(|(name, weight)| ((*name).to_owned(), *weight))
            .collect()
    }

    #[test]
    fn the_largest_remainder_gets_the_unit_and_ties_go_to_the_smaller_id() {
        let parts = proportional(100, &named(&[1, 1, 1]));
        let amounts: Vec<i64> = parts.iter().map(|(_, part)| *part).collect();
        assert_eq!(amounts, [34, 33, 33]);
        assert_eq!(proportional(5, &named(&[0, 0])), named(&[0, 5]));
    }

    #[test]
    fn known_parts_stay_and_the_rest_is_unassigned() {
        let known = [("a".to_owned(), 50), ("b".to_owned(), 30)];
        let parts = exact(100, &known);
        assert_eq!(parts.last(), Some(&(String::new(), 20)));
        let scaled: i64 = exact(40, &known).iter().map(|(_, part)| part).sum();
        assert_eq!(scaled, 40);
    }

    proptest! {
        #[test]
        fn no_unit_is_lost_or_made(
            amount in 0..i64::MAX,
            weights in proptest::collection::vec(0..i64::MAX, 1..7),
        ) {
            let named = named(&weights);
            let sum = |parts: Vec<(String, i64)>| parts.iter().map(|(_, part)| i128::from(*part)).sum::<i128>();
            prop_assert_eq!(sum(proportional(amount, &named)), i128::from(amount));
            prop_assert_eq!(sum(exact(amount, &named)), i128::from(amount));
        }
    }
}
